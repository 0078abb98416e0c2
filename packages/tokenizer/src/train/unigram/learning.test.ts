import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTable } from '../../byte-table.js'
import { expectedCounts } from './expectation.js'
import { PieceLattice, UNKNOWN } from './lattice.js'
import { markLargest } from './largest.js'
import { MemoryLimit } from '../memory-limit.js'
import { digamma, maximize } from './maximization.js'
import { losses } from './prune.js'
import { seedPieces, type SeedPieces } from './seed-pieces.js'
import { substringOrder } from './substring-order.js'
import { WordText } from './word-text.js'

const pause = () => false
const memory = new MemoryLimit(undefined)
const fewLetters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', '𝔷'), minLength: 1, maxLength: 12 })
const corpora = fc.dictionary(fewLetters, fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 8 })

function wordsOf(counts: Readonly<Record<string, number>>): WordText {
  const table = new ByteTable(4)
  for (const word of Object.keys(counts)) {
    const bytes = new TextEncoder().encode(word)
    table.add(bytes, 0, bytes.length)
  }
  return new WordText(table, Float64Array.from(Object.values(counts)), memory)
}

const pieceTexts = (text: WordText, seeds: SeedPieces) => [
  '',
  ...Array.from(seeds.places, (place, i) => text.text(place, seeds.lengths[i]!)),
]

/** Every way to cut a word into pieces of a vocabulary. */
function* cuts(word: readonly string[], pieces: ReadonlyMap<string, number>): Generator<number[]> {
  if (word.length === 0) yield []
  for (let end = 1; end <= word.length; end++) {
    const piece = pieces.get(word.slice(0, end).join(''))
    if (piece !== undefined) for (const rest of cuts(word.slice(end), pieces)) yield [piece, ...rest]
  }
}

async function latticeOf(counts: Readonly<Record<string, number>>, longest: number) {
  const text = wordsOf(counts)
  const seeds = await seedPieces(text, longest, 1000, pause)
  const lattice = await PieceLattice.of(text, seeds, memory, pause)
  const texts = pieceTexts(text, seeds)
  return { text, seeds, lattice, texts, pieces: new Map(texts.map((piece, i) => [piece, i]).slice(1) as [string, number][]) }
}

/** Probabilities that add up to 1, each another. */
const someScores = (size: number) => {
  const weights = Array.from({ length: size }, (_, i) => (i === UNKNOWN ? 0 : 1 + ((i * 7) % 5) + i / 100))
  const sum = weights.reduce((a, b) => a + b, 0)
  return Float64Array.from(weights, (weight) => Math.log(weight / sum))
}

describe('substringOrder', () => {
  it('orders places by what begins there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        async (symbols, depth) => {
          const key = (place: number) => symbols.slice(place, place + depth).join('')
          const order = [...(await substringOrder(Int32Array.from(symbols), 4, depth, pause))]
          expect(order.toSorted((a, b) => a - b)).toEqual([...symbols.keys()])
          expect(order.map(key)).toEqual(order.map(key).toSorted())
        },
      ),
    )
  })
})

describe('markLargest', () => {
  it('marks the largest numbers, the first of equal ones, never NaN', async () => {
    const numbers = fc.oneof(fc.double(), fc.constantFrom(1, 2, Infinity, -Infinity, NaN))
    await fc.assert(
      fc.asyncProperty(fc.array(numbers, { maxLength: 40 }), fc.nat(45), async (given, count) => {
        const values = given.map((value) => value + 0)
        const best = [...values.keys()]
          .filter((i) => !Number.isNaN(values[i]))
          .sort((a, b) => (values[a] === values[b] ? a - b : values[b]! > values[a]! ? 1 : -1))
        const expected = values.map((_, i) => (best.slice(0, count).includes(i) ? 1 : 0))
        expect([...(await markLargest(Float64Array.from(values), values.length, count, pause))]).toEqual(expected)
      }),
    )
  })
})

describe('seedPieces', () => {
  it('finds characters and every substring that occurs more than once and may go on in more than one way', async () => {
    await fc.assert(
      fc.asyncProperty(corpora, fc.integer({ min: 2, max: 13 }), async (counts, longest) => {
        const occurrences = new Map<string, { count: number; next: Set<string> }>()
        for (const [word, count] of Object.entries(counts)) {
          const characters = [...word]
          for (let start = 0; start < characters.length; start++) {
            for (let end = start + 1; end <= characters.length; end++) {
              const piece = characters.slice(start, end).join('')
              const found = occurrences.get(piece) ?? { count: 0, next: new Set() }
              occurrences.set(piece, found)
              found.count += count
              // The end of a word counts as another character each time.
              found.next.add(characters[end] ?? `${word} ${start}`)
              if (end === characters.length && start === 0 && count > 1) found.next.add(`${word} again`)
            }
          }
        }
        const expected = [...occurrences]
          .filter(([piece, { next }]) => [...piece].length === 1 || ([...piece].length <= longest && next.size > 1))
          .map(([piece, { count }]) => [piece, [...piece].length * count])
        const text = wordsOf(counts)
        const seeds = await seedPieces(text, longest, 1000, pause)
        const found = pieceTexts(text, seeds)
          .slice(1)
          .map((piece, i) => [piece, seeds.weights[i]])
        expect(new Map(found as [string, number][])).toEqual(new Map(expected as [string, number][]))
        expect(found).toHaveLength(expected.length)
      }),
      { numRuns: 60 },
    )
  })

  it('keeps those with the most characters in all', async () => {
    const text = wordsOf({ abcd: 5, abcx: 5, zz: 3, qq: 2 })
    const seeds = await seedPieces(text, 16, 10, pause)
    // Seven characters, then `abc` with 30, `abcd` and `abcx` with 20 each; `zz` with 6 has no room.
    expect(
      pieceTexts(text, seeds)
        .slice(1)
        .filter((piece) => piece.length > 1)
        .sort(),
    ).toEqual(['abc', 'abcd', 'abcx'])
  })
})

describe('expectedCounts', () => {
  it('counts as all cuts of every word do, weighed by their probability', async () => {
    await fc.assert(
      fc.asyncProperty(corpora, async (counts) => {
        const { lattice, texts, pieces } = await latticeOf(counts, 8)
        const scores = someScores(texts.length)
        const expected = new Float64Array(texts.length)
        let logLikelihood = 0
        for (const [word, count] of Object.entries(counts)) {
          const ways = [...cuts([...word], pieces)].map((way) => ({
            way,
            p: Math.exp(way.reduce((sum, piece) => sum + scores[piece]!, 0)),
          }))
          const all = ways.reduce((sum, { p }) => sum + p, 0)
          for (const { way, p } of ways) for (const piece of way) expected[piece]! += (count * p) / all
          logLikelihood += count * Math.log(all)
        }
        const found = await expectedCounts(lattice, scores, pause)
        expect(found.counts).toHaveLength(expected.length)
        for (const [piece, count] of expected.entries()) expect(Math.abs(found.counts[piece]! - count)).toBeLessThan(1e-9)
        expect(found.logLikelihood).toBeCloseTo(logLikelihood / Object.values(counts).reduce((a, b) => a + b, 0), 9)
      }),
      { numRuns: 40 },
    )
  })

  it('counts a word whose probability no double can hold as sums of logarithms do', async () => {
    const word = Array.from({ length: 10_000 }, (_, i) => 'abcde'[(i * i + (i >> 3)) % 5]!)
    const { lattice, texts, pieces } = await latticeOf({ [word.join('')]: 2 }, 4)
    // From half to a billionth of a billionth.
    const scores = Float64Array.from(texts, (_, piece) => (piece === 1 ? Math.log(0.5) : -10 - ((piece * 13) % 30)))
    const found = await expectedCounts(lattice, scores, pause)

    const plus = (a: number, b: number) => (a === -Infinity ? b : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))))
    const before = new Float64Array(word.length + 1).fill(-Infinity)
    const behind = before.slice()
    before[0] = behind[word.length] = 0
    const edges: [number, number, number][] = []
    for (let at = 0; at < word.length; at++) {
      for (let end = at + 1; end <= Math.min(at + 4, word.length); end++) {
        const piece = pieces.get(word.slice(at, end).join(''))
        if (piece === undefined) continue
        edges.push([at, end, piece])
        before[end] = plus(before[end]!, before[at]! + scores[piece]!)
      }
    }
    for (const [at, end, piece] of edges.toReversed()) behind[at] = plus(behind[at]!, behind[end]! + scores[piece]!)
    const expected = new Float64Array(texts.length)
    const all = before[word.length]!
    expect(all).toBeLessThan(-5_000)
    for (const [at, end, piece] of edges) expected[piece]! += 2 * Math.exp(before[at]! + scores[piece]! + behind[end]! - all)
    // Sums of 10,000 logarithms are no more exact than this.
    for (const [piece, count] of expected.entries()) expect(Math.abs(found.counts[piece]! - count)).toBeLessThan(1e-6 * Math.max(1, count))
    expect(found.logLikelihood).toBeCloseTo(all, 4)
  })

  it('leads over characters that have lost their piece at the cost of the unknown', async () => {
    const { lattice, texts, pieces } = await latticeOf({ ab: 3, b: 1 }, 4)
    const numbers = Int32Array.from(texts, (piece) => (piece === 'a' ? -1 : 0))
    let size = 1
    for (let piece = 1; piece < texts.length; piece++) if (numbers[piece]! >= 0) numbers[piece] = size++
    const scores = new Float64Array(size)
    const [ab, b] = [numbers[pieces.get('ab')!]!, numbers[pieces.get('b')!]!]
    scores[ab] = Math.log(0.25)
    scores[b] = Math.log(0.5)
    const { counts } = await expectedCounts(await lattice.keep(numbers, pause), scores, pause)
    // `ab` as a whole, or the unknown and `b`: ¼ against ¼·e⁻¹⁰ · ½.
    const apart = (0.5 * Math.exp(-10)) / (1 + 0.5 * Math.exp(-10))
    expect(counts[UNKNOWN]).toBeCloseTo(3 * apart, 12)
    expect(counts[ab]).toBeCloseTo(3 * (1 - apart), 12)
    expect(counts[b]).toBeCloseTo(1 + 3 * apart, 12)
  })
})

describe('maximize', () => {
  it('has ψ', () => {
    const euler = 0.5772156649015329
    expect(digamma(1)).toBeCloseTo(-euler, 9)
    expect(digamma(0.5)).toBeCloseTo(-euler - 2 * Math.LN2, 9)
    expect(digamma(10)).toBeCloseTo(-euler + [1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, n) => sum + 1 / n, 0), 9)
    expect(digamma(1e6)).toBeCloseTo(Math.log(1e6) - 5e-7, 9)
  })

  it('drops what is expected less than half a time and scores the rest', () => {
    const { numbers, scores } = maximize(Float64Array.of(7, 0.4, 3, 0.5))
    expect([...numbers]).toEqual([0, -1, 1, 2])
    expect(scores[1]).toBe(digamma(3) - digamma(3.5))
    expect(scores[2]).toBe(digamma(0.5) - digamma(3.5))
  })
})

describe('losses', () => {
  it('compares the best cuts of words with those that put a piece’s own best cut in its place', async () => {
    const { lattice, texts, pieces, seeds } = await latticeOf({ ab: 6, abc: 3, c: 1 }, 4)
    const p: Record<string, number> = { a: 0.1, b: 0.1, c: 0.2, ab: 0.4, abc: 0.05 }
    const scores = Float64Array.from(texts, (piece) => Math.log(p[piece] ?? 1))
    const places = Uint32Array.of(0, ...seeds.places)
    const found = await losses(lattice, scores, places, Uint8Array.of(0, ...seeds.lengths), pause)
    // Best cuts: ab; ab c (0.08 beats abc with 0.05); c. So ab is used 9 times and c 4 times of 13.
    const of = (piece: string) => found[pieces.get(piece)!]
    expect(of('ab')).toBeCloseTo((9 / 10) * (Math.log(9 / 13) - 2 * Math.log(9 / (13 + 9))), 12)
    expect(of('abc')).toBe(-Infinity)
    expect([of('a'), of('b'), of('c'), found[UNKNOWN]]).toEqual([Infinity, Infinity, Infinity, Infinity])
  })
})
