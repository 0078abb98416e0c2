import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTable } from '../../byte-table.js'
import { ByteTrie } from '../byte-trie.js'
import { Segments, UNKNOWN } from '../segments.js'
import { ScoredBpe } from './scored.js'

interface Vocabulary {
  readonly scores: ReadonlyMap<string, number>
  readonly unused: ReadonlySet<string>
  readonly userDefined: ReadonlySet<string>
}

const utf8 = new TextEncoder()
const blank = '\u2581'

function modelOf({ scores, unused, userDefined }: Vocabulary): { bpe: ScoredBpe; forms: string[] } {
  const forms = [...scores.keys()]
  const pieces = new ByteTable(8)
  const symbols = new ByteTrie()
  for (const form of forms) {
    const bytes = utf8.encode(form)
    pieces.add(bytes, 0, bytes.length)
    if (userDefined.has(form)) symbols.set(bytes, 0)
  }
  const bpe = new ScoredBpe({
    pieces,
    ids: Int32Array.from(forms, (_, i) => i),
    scores: Float64Array.from(forms, (form) => scores.get(form)!),
    unused: Uint8Array.from(forms, (form) => (unused.has(form) ? 1 : 0)),
    userDefined: symbols.longest === 0 ? undefined : symbols,
    joinUnknown: true,
    blank: utf8.encode(blank),
  })
  return { bpe, forms }
}

function segments(bpe: ScoredBpe, forms: readonly string[], text: string): string[] {
  const out = new Segments()
  const bytes = utf8.encode(text)
  bpe.segment(bytes, bytes.length, out)
  let start = 0
  return Array.from({ length: out.length }, (_, i) => {
    const end = out.ends[i]!
    const form = new TextDecoder().decode(bytes.subarray(start, end))
    start = end
    if (out.ids[i] !== UNKNOWN && forms[out.ids[i]!] !== form) throw new Error(`token ${out.ids[i]} stands for ${form}`)
    return form
  })
}

/** The same by looking at every pair again and again, and by texts instead of positions. */
function naively({ scores, unused, userDefined }: Vocabulary, text: string): string[] {
  const symbols: { form: string; frozen: boolean }[] = []
  for (let rest = text; rest !== ''; rest = rest.slice(symbols.at(-1)!.form.length)) {
    const symbol = [...userDefined].filter((form) => rest.startsWith(form)).sort((a, b) => b.length - a.length)[0]
    symbols.push({ form: symbol ?? String.fromCodePoint(rest.codePointAt(0)!), frozen: symbol !== undefined })
  }
  const halves = new Map<string, [string, string]>()
  const look = (i: number): void => {
    const [left, right] = [symbols[i], symbols[i + 1]]
    if (left === undefined || right === undefined || left.frozen || right.frozen) return
    if (unused.has(left.form + right.form)) halves.set(left.form + right.form, [left.form, right.form])
  }
  for (let i = 0; i < symbols.length; i++) look(i)
  for (;;) {
    let best = -1
    let highest = -Infinity
    for (let i = 0; i + 1 < symbols.length; i++) {
      if (symbols[i]!.frozen || symbols[i + 1]!.frozen) continue
      const score = scores.get(symbols[i]!.form + symbols[i + 1]!.form)
      if (score !== undefined && score > highest) [best, highest] = [i, score]
    }
    if (best < 0) break
    symbols.splice(best, 2, { form: symbols[best]!.form + symbols[best + 1]!.form, frozen: false })
    look(best - 1)
    look(best)
  }
  const fallApart = (form: string): string[] => {
    const pair = unused.has(form) ? halves.get(form) : undefined
    return pair === undefined ? [form] : pair.flatMap(fallApart)
  }
  return symbols.flatMap(({ form }) => fallApart(form))
}

const unit = fc.constantFrom('a', 'b', 'é', blank)
const vocabulary = (marks: boolean): fc.Arbitrary<Vocabulary> =>
  fc
    .uniqueArray(fc.tuple(fc.string({ unit, minLength: 1, maxLength: 4 }), fc.integer({ min: -9, max: 0 }), fc.nat(9)), {
      selector: ([form]) => form,
      minLength: 1,
      maxLength: 25,
    })
    .map((entries) => ({
      scores: new Map(entries.map(([form, score]) => [form, score])),
      unused: new Set(entries.filter(([, , mark]) => marks && mark < 2).map(([form]) => form)),
      userDefined: new Set(entries.filter(([, , mark]) => marks && mark === 9).map(([form]) => form)),
    }))

describe('ScoredBpe', () => {
  it.each([
    ['plain pieces', false],
    ['unused pieces and user-defined symbols', true],
  ])('merges %s by the definition', (_, marks) => {
    fc.assert(
      fc.property(
        vocabulary(marks),
        fc.array(fc.string({ unit: fc.oneof(unit, fc.constant('中')), maxLength: 40 }), { maxLength: 3 }),
        (given, texts) => {
          const { bpe, forms } = modelOf(given)
          // Twice, as words are remembered.
          for (const text of [...texts, ...texts]) expect(segments(bpe, forms, text)).toEqual(naively(given, text))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('merges words on their own where no piece reaches across, with the same result', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 3 })
    const inWords = fc
      .uniqueArray(fc.tuple(word, fc.nat(2), fc.integer({ min: -9, max: 0 })), {
        selector: ([form, blanks]) => `${blanks}${form}`,
        minLength: 1,
      })
      .map((entries) => ({
        scores: new Map(entries.map(([form, blanks, score]) => [blank.repeat(blanks) + form, score])),
        unused: new Set<string>(),
        userDefined: new Set<string>(),
      }))
    fc.assert(
      fc.property(inWords, fc.string({ unit, maxLength: 60 }), (given, text) => {
        const { bpe, forms } = modelOf(given)
        expect(segments(bpe, forms, text)).toEqual(naively(given, text))
      }),
      { numRuns: 500 },
    )
  })

  it('forgets words when it remembers too many', () => {
    const { bpe, forms } = modelOf({
      scores: new Map([
        ['ab', -1],
        ['a', -2],
        ['b', -3],
      ]),
      unused: new Set(),
      userDefined: new Set(),
    })
    const words = Array.from({ length: 40_000 }, (_, i) => blank + i.toString(2).replaceAll('0', 'a').replaceAll('1', 'b'))
    const all = segments(bpe, forms, words.join(''))
    expect(all.join('')).toBe(words.join(''))
    expect(segments(bpe, forms, `${blank}ab`)).toEqual([blank, 'ab'])
  })
})
