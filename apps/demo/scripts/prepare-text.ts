/** Writes public/text/moby-dick.txt: the first chapters of Herman Melville's Moby-Dick (1851, in the public domain), for the Train room. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { book } from './book.js'

/** Enough for a small model to learn from, little enough to load at once. */
const longest = 240_000

const folder = new URL('../public/text/', import.meta.url)
const whole = book()
const excerpt = whole.slice(0, whole.lastIndexOf('\n\nCHAPTER ', longest)).concat('\n')
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('moby-dick.txt', folder), excerpt)
console.log(`public/text/moby-dick.txt: ${excerpt.length} characters, ${excerpt.match(/^CHAPTER /gm)!.length} chapters`)
