import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { llama2cFile } from '../__fixtures__/llama2c.js'
import { hfTokenizer } from '../__fixtures__/hf-cases.js'
import { mobyJson } from '../__fixtures__/reference.js'
import { sentencePieceAnswers, unzipped } from '../__fixtures__/sentencepiece.js'
import { trickyText } from '../__fixtures__/text.js'
import { Tokenizer } from '../tokenizer.js'

const tokenizers: readonly (readonly [string, Tokenizer])[] = [
  ['moby', Tokenizer.fromJSON(mobyJson())],
  ['cl100k', await Tokenizer.fromEncoding('cl100k_base')],
  ['o200k', await Tokenizer.fromEncoding('o200k_base')],
  ...['llama2', 'llama3', 'mistral'].map((name) => [name, hfTokenizer(name)] as const),
  [
    'llama2.c',
    Tokenizer.fromLlama2c(
      llama2cFile(['ab', 'aa', 'whale', 'wha', 'le', 'al', ' w', '日本', '==', 'aaaa', 'aaaaaaaa', ...'whale b日=1\n-']),
    ),
  ],
  ...Object.entries(sentencePieceAnswers()).map(([name, { model }]) => [name, Tokenizer.fromSentencePiece(unzipped(model))] as const),
]
// What keeps a text from being cut, over and over.
const runs = ['a', 'whale', 'ab', 'aB', 'あB', '日本語', 'кит', '!', '=-', ' ', '\n', '1', '12a', 'é', '\u{1f40b}', 'a\u0301', '한국']
/** Those that need not encode a stretch again. */
const growing = ['llama2.c', 'moby', 'cl100k', 'o200k', 'llama2', 'llama3', 'mistral', 'unigram', 'bpe', 'bpe-llama']
const options = { special: 'text' } as const
const special = fc.constantFrom('text' as const, 'allow' as const)

describe.each(tokenizers)('stretches without cuts of %s', (name, tokenizer) => {
  it('are counted as the whole is, however they grow', () => {
    const text = fc
      .tuple(
        fc.constantFrom(...runs),
        fc.array(fc.oneof(fc.constantFrom(...runs), trickyText(3)), { maxLength: 12 }),
        fc.constantFrom(...runs),
      )
      .map(([first, parts, last]) => first.repeat(Math.ceil(1100 / first.length)) + parts.join('') + last.repeat(20))
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), special, (whole, sizes, policy) => {
        const counter = tokenizer.counter({ special: policy })
        const ends = [1050, 1090]
        for (let i = 0; ends.at(-1)! < whole.length; i++) ends.push(ends.at(-1)! + sizes[i % sizes.length]!)
        for (const [i, end] of ends.entries()) {
          const count = counter.push(whole.slice(i === 0 ? 0 : ends[i - 1], end))
          const shown = JSON.stringify([whole.slice(0, 30), whole.slice(1040, end)])
          if (i % 6 === 0 || end >= whole.length) expect(count, shown).toBe(tokenizer.count(whole.slice(0, end), { special: policy }))
        }
      }),
      { numRuns: 6 },
    )
  })

  it('are cut to the longest beginning that fits', () => {
    const text = fc
      .tuple(fc.constantFrom(...runs), fc.constantFrom(...runs))
      .map(([first, last]) => first.repeat(Math.ceil(1200 / first.length)) + last.repeat(9))
    fc.assert(
      fc.property(text, fc.nat(1300), (whole, limit) => {
        const kept = tokenizer.truncateToTokens(whole, limit, options)
        expect(whole.startsWith(kept)).toBe(true)
        expect(tokenizer.count(kept, options)).toBeLessThanOrEqual(Math.max(limit, tokenizer.count('', options)))
        const more = [...whole.slice(kept.length)].slice(0, 20)
        for (let i = 1; i <= more.length; i++) {
          const longer = kept + more.slice(0, i).join('')
          expect(tokenizer.count(longer, options), `${kept.length} + ${i} of ${whole.slice(0, 20)} to ${limit}`).toBeGreaterThan(limit)
        }
      }),
      { numRuns: 6 },
    )
  })

  if (!growing.includes(name)) return
  it('go on from where they were in a long stretch', () => {
    for (const run of ['a', '日本語', '=']) {
      const counter = tokenizer.counter(options)
      let count = counter.push(run.repeat(8_000))
      for (let at = 0; at < 50; at++) count = counter.push(run)
      expect(count).toBe(tokenizer.count(run.repeat(8_050), options))
    }
  })
})
