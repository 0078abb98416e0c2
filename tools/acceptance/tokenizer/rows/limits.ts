// Counting text that grows, and stopping at a limit: time in proportion to the text for every family, and the counts of the whole.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Tokenizer } from '@tesserae/tokenizer'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import { cpuSeconds } from '../speed/measure.js'
import { english } from '../texts/corpora.js'

/** Units of the shorter text; the longer one has twice as many. */
const SHORT = 40_000
/** Units that are pushed at a time: about what a model generates as one token. */
const PUSHED = 4
const ROUNDS = 6
const options = { special: 'text' } as const

const fixtures = join(import.meta.dirname, '../../../../packages/tokenizer/src/__fixtures__')
const fixture = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, name), 'utf8'))
const huggingFace = (name: string): Tokenizer => Tokenizer.fromJSON((fixture(`hf/${name}.json`) as { tokenizer: unknown }).tokenizer)
const sentencePiece = (kind: string): Tokenizer => {
  const { model } = (fixture(`sentencepiece-${kind}.json`) as Record<string, { model: string }>)[kind]!
  return Tokenizer.fromSentencePiece(new Uint8Array(gunzipSync(Buffer.from(model, 'base64'))))
}

const source: RowSource = async ({ log }) => {
  const words = english()
  const texts = {
    English: words,
    'a word without end': 'a'.repeat(SHORT * 2),
    'Chinese without signs': '我们在海上看见了一条白色的鲸鱼'.repeat(Math.ceil((SHORT * 2) / 15)),
  }
  const everything = Object.keys(texts) as (keyof typeof texts)[]
  // Those that cut words apart before their model sees them count a word without end, or one of their words of Chinese, again at each push.
  const families: [string, Tokenizer, readonly (keyof typeof texts)[]][] = [
    ['cl100k_base', await Tokenizer.fromEncoding('cl100k_base'), everything],
    ['o200k_base', await Tokenizer.fromEncoding('o200k_base'), everything],
    ["Llama 3's tokenizer.json (byte-level BPE)", huggingFace('llama3'), everything],
    ["Llama 2's tokenizer.json (BPE without a split)", huggingFace('llama2'), everything],
    ["Mistral's tokenizer.json (BPE without a split)", huggingFace('mistral'), everything],
    ['a SentencePiece BPE model', sentencePiece('bpe'), everything],
    ['a SentencePiece Unigram model', sentencePiece('unigram'), everything],
    ["T5's tokenizer.json (Unigram)", huggingFace('t5'), ['English']],
    ["BERT's tokenizer.json (WordPiece)", huggingFace('bert-cased'), ['English']],
  ]
  const rows: Row[] = []
  for (const [name, tokenizer, kinds] of families) {
    for (const kind of kinds) {
      const [short, long] = [texts[kind].slice(0, SHORT), texts[kind].slice(0, SHORT * 2)]
      const times: [number[], number[]] = [[], []]
      const counts = [0, 0]
      // Code and caches come to their final state first.
      countBy(tokenizer, long)
      for (let round = 0; round < ROUNDS; round++) {
        for (const [i, text] of [short, long].entries()) times[i]!.push(cpuSeconds(() => (counts[i] = countBy(tokenizer, text))))
      }
      // The least: whatever else the machine does only adds to it.
      const [once, twice] = times.map((each) => Math.min(...each)) as [number, number]
      log(`${name}, ${kind}: ${(once * 1000).toFixed(0)} and ${(twice * 1000).toFixed(0)} CPU-milliseconds`)
      const exact = counts[0] === tokenizer.count(short, options) && counts[1] === tokenizer.count(long, options)
      const figure = `counter of ${name}, ${kind}, ${PUSHED} characters at a time: time for twice as long a text`
      const note = `${(twice * 1000).toFixed(0)} CPU-milliseconds for ${long.length} characters; ${exact ? 'the counts of the whole' : 'other counts than of the whole'}`
      rows.push(exact ? atMost(figure, twice / once, 2.3, { unit: 'times', note }) : row(figure, '≤ 2.30 times', 'not exact', false, note))
    }
    const whole = median(Array.from({ length: ROUNDS }, () => cpuSeconds(() => tokenizer.count(words, options))))
    const stopped = median(Array.from({ length: ROUNDS }, () => cpuSeconds(() => tokenizer.isWithinLimit(words, 1000, options))))
    rows.push(
      atMost(`isWithinLimit of ${name}, 1000 tokens of Moby-Dick: time as a share of counting it`, stopped / whole, 0.1, { digits: 3 }),
    )
  }
  return rows
}
export default source

function countBy(tokenizer: Tokenizer, text: string): number {
  const counter = tokenizer.counter(options)
  let count = 0
  for (let at = 0; at < text.length; at += PUSHED) count = counter.push(text.slice(at, at + PUSHED))
  return count
}
