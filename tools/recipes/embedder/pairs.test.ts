import { expect, it } from 'vitest'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cranfieldPairs, mobyPairs, type PairSet } from './pairs.js'

const data = join(dirname(fileURLToPath(import.meta.url)), '../../../../shared/data')

/** No sentence of a held-out text may have been seen in training, or the figures flatter the model. */
function check({ train, heldOut }: PairSet): void {
  const seen = train.map((pair) => pair.join('\n')).join('\n')
  for (const pair of heldOut)
    for (const text of pair) {
      expect(text.length).toBeGreaterThan(0)
      if (text.length > 60) expect(seen.includes(text), text).toBe(false)
    }
  for (const [query, document] of train) expect(query.length > 0 && document.length > 0 && query !== document).toBe(true)
}

it('cuts Moby-Dick into pairs that hold back its end', () => {
  const set = mobyPairs({ seed: 1 })
  expect(set.train.length).toBeGreaterThan(2000)
  expect(set.heldOut.length).toBeGreaterThan(100)
  expect(mobyPairs({ seed: 1 })).toEqual(set)
  check(set)
})

it('cuts Cranfield into pairs that hold back whole abstracts', ({ skip }) => {
  const set = cranfieldPairs(data, { seed: 1 })
  skip(set === undefined, 'needs cranfield/cran.all in ../shared/data, which is not part of the repository')
  expect(set!.heldOut.length).toBeGreaterThan(150)
  check(set!)
})
