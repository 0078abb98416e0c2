import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mobyJson } from '../__fixtures__/reference.js'
import { codeOf, trickyText, wellFormed } from '../__fixtures__/text.js'
import { Tokenizer } from '../tokenizer.js'
import type { Encoding } from './encoding.js'
import type { PaddingOptions, TruncationOptions } from './options.js'

interface Case {
  readonly name: string
  readonly entries: readonly (readonly [string] | readonly [string, string])[]
  readonly truncation: TruncationOptions | null
  readonly padding: (Omit<PaddingOptions, 'multipleOf'> & { readonly multipleOf: number | null }) | null
  readonly addSpecial: boolean
  readonly error?: string
  readonly encodings?: readonly (Record<string, readonly (number | string)[]> & {
    readonly overflowing: readonly (readonly [number[], number[], (number | null)[]])[]
  })[]
}

const read = (path: string): string => readFileSync(new URL(`../__fixtures__/${path}`, import.meta.url), 'utf8')
const cases = JSON.parse(read('encodings.json')) as readonly Case[]
const tokenizers = new Map<string, Tokenizer>()
function tokenizerOf(name: string): Tokenizer {
  let tokenizer = tokenizers.get(name)
  if (tokenizer === undefined) {
    tokenizer = Tokenizer.fromJSON((JSON.parse(read(`hf/${name}.json`)) as { tokenizer: unknown }).tokenizer)
    tokenizers.set(name, tokenizer)
  }
  return tokenizer
}

function encodeCase({ name, entries, truncation, padding, addSpecial }: Case): Encoding[] {
  return tokenizerOf(name).encodeBatchWithOffsets(
    entries.map((entry) => (entry.length === 1 ? entry[0] : entry)),
    {
      offsets: 'codepoint',
      special: 'allow',
      addSpecial,
      truncation: truncation ?? false,
      padding: padding === null ? false : { ...padding, multipleOf: padding.multipleOf ?? 0 },
    },
  )
}

const moby = Tokenizer.fromJSON(mobyJson())

describe('encodings beside those of Hugging Face tokenizers', () => {
  it('cover every strategy, side and failure', () => {
    expect(cases.filter(({ error }) => error !== undefined).length).toBeGreaterThan(3)
    expect(cases.filter(({ encodings }) => encodings?.some(({ overflowing }) => overflowing.length > 2)).length).toBeGreaterThan(5)
  })

  it.each(cases.map((each, i) => [`${i} ${each.name}`, each] as const))('%s', (_, each) => {
    if (each.error !== undefined) {
      expect(codeOf(() => encodeCase(each))).toBe('VALUE')
      return
    }
    const ours = encodeCase(each)
    expect(ours.length).toBe(each.encodings!.length)
    for (const [i, encoding] of ours.entries()) {
      const theirs = each.encodings![i]!
      const offsets = [...encoding.offsets]
      // Where the beginning of a text was cut off, Hugging Face's trims the first token that stays as if it began the text; here a token's place does not depend on the cut.
      for (const [at, token] of encoding.tokens.entries()) {
        const first = at === 0 || encoding.sequenceIds[at - 1] !== encoding.sequenceIds[at]
        if (first && token.startsWith('Ġ') && each.truncation?.side === 'left') offsets[at * 2] = theirs['offsets']![at * 2] as number
      }
      const tokens = encoding.tokens.map((token, at) => (encoding.attentionMask[at] === 0 ? '[PAD]' : token))
      expect({
        ids: [...encoding.ids],
        typeIds: [...encoding.typeIds],
        tokens,
        offsets,
        wordIds: [...encoding.wordIds],
        special: [...encoding.specialTokensMask],
        attention: [...encoding.attentionMask],
        sequences: [...encoding.sequenceIds],
        overflowing: encoding.overflowing.map((part) => [
          [...part.ids],
          [...part.typeIds],
          Array.from(part.sequenceIds, (index) => (index < 0 ? null : index)),
        ]),
      }).toEqual(theirs)
    }
  })
})

describe('offsets', () => {
  it('are those of the text in every unit', () => {
    const utf8 = new TextEncoder()
    fc.assert(
      fc.property(trickyText(), (text) => {
        const given = wellFormed(text)
        const units = moby.encodeWithOffsets(given, { special: 'text' }).offsets
        const bytes = moby.encodeWithOffsets(given, { special: 'text', offsets: 'utf8' }).offsets
        const points = moby.encodeWithOffsets(given, { special: 'text', offsets: 'codepoint' }).offsets
        for (const [i, at] of units.entries()) {
          expect(utf8.encode(given.slice(0, at)).length).toBe(bytes[i])
          expect([...given.slice(0, at)].length).toBe(points[i])
        }
      }),
      { numRuns: 200 },
    )
  })

  it('of OpenAI encodings are those of the same vocabulary read from tokenizer.json', async () => {
    const ranked = await Tokenizer.fromEncoding('r50k_base')
    const general = Tokenizer.fromJSON(JSON.parse(JSON.stringify(ranked)))
    fc.assert(
      fc.property(trickyText(), (text) => {
        const [a, b] = [ranked, general].map((each) => each.encodeWithOffsets(wellFormed(text), { special: 'allow', truncation: false }))
        for (const name of ['ids', 'offsets', 'wordIds', 'tokens'] as const) expect([...a![name]], name).toEqual([...b![name]])
      }),
      { numRuns: 200 },
    )
  })
})

describe('options out of their range', () => {
  it.each([
    { truncation: { maxLength: -1 } },
    { truncation: { maxLength: 4, stride: 4 } },
    { truncation: { maxLength: 4, side: 'middle' as 'left' } },
    { truncation: { maxLength: 4, strategy: 'only_second' as const } },
    { padding: { to: 10 } },
    { padding: { to: 1.5, id: 0 } },
  ])('%j is refused', (options) => {
    expect(codeOf(() => moby.encodeWithOffsets('There she blows! There she blows!', options))).toBe('VALUE')
  })
})
