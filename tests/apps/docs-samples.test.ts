/** Samples of the documentation are checked where pages are made, and read as plain text where the search index is made. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const cwd = fileURLToPath(new URL('../..', import.meta.url))
const script = fileURLToPath(new URL('./docs-render.mts', import.meta.url))
const { refused, indexed, hidden, shown } = JSON.parse(
  execFileSync(process.execPath, ['--import', 'tsx', script], { cwd, encoding: 'utf8', maxBuffer: 1 << 26 }),
) as Record<'refused' | 'indexed' | 'hidden' | 'shown', string>

it('a sample that does not compile fails its page', () => {
  expect(refused).toMatch(/'vocabSizes' does not exist/)
})

it('the search index has the words of a sample and not the types it shows on hover; pages keep theirs', () => {
  expect(indexed).toContain('await trainBpe(')
  expect(indexed).not.toContain('twoslash')
  expect(shown).toContain('twoslash-popup')
})

it('a page can stay out of the search', () => {
  expect(hidden).toBe('')
})
