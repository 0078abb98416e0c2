// Runs one file of rows in a process of its own: a crash costs that row only, and peak memory is that row's.
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Row, RowSource } from './row.js'

const [path, out] = process.argv.slice(2) as [string, string]
const { default: source } = (await import(pathToFileURL(path).href)) as { default: RowSource }
if (typeof source !== 'function') throw new TypeError(`${path} must default-export an async function that returns rows`)
const rows = await source({ log: (line) => console.error(`  ${line}`) })
writeFileSync(out, JSON.stringify(([] as Row[]).concat(rows)))
process.exit(0) // a peer's idle threads or handles must not keep the run waiting
