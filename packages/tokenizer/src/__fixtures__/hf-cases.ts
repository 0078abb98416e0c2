import { readFileSync } from 'node:fs'
import { readHuggingFaceJson } from '../formats/hf-json/read.js'
import type { TextPipeline, TokenSequence } from '../pipeline/components.js'
import { Tokenizer } from '../tokenizer.js'

/** What Hugging Face tokenizers made of texts; written by tools/tokenizer/generate-hf-fixtures.py. */
export interface HfFixture {
  readonly tokenizer: Record<string, unknown>
  readonly cases: readonly {
    readonly text: string
    readonly ids: readonly number[]
    readonly plain: readonly number[]
    readonly tokens: readonly string[]
    /** Start and end of each token in code points. */
    readonly offsets: readonly number[]
    /** The word of each token, −1 for what was put around the text. */
    readonly words: readonly number[]
    readonly decoded: string
    readonly skipped: string | null
  }[]
  readonly pairs: readonly {
    readonly first: string
    readonly second: string
    readonly ids: readonly number[]
    readonly typeIds: readonly number[]
    readonly tokens: readonly string[]
  }[]
  readonly decodings: readonly { readonly ids: readonly number[]; readonly text: string }[]
}

/** The tokenizer of one of the fixtures in `hf/`. */
export const hfTokenizer = (name: string): Tokenizer =>
  Tokenizer.fromJSON((JSON.parse(readFileSync(new URL(`hf/${name}.json`, import.meta.url), 'utf8')) as HfFixture).tokenizer)

/** An encoding put together from the parts of a post-processor. */
function assemble(pipeline: TextPipeline, texts: readonly string[]) {
  const sequences = texts.map((text) => pipeline.tokenize(text, 'allow'))
  const layout = pipeline.postProcessor?.layout(texts.length === 2) ?? [
    { kind: 'sequence' as const, index: 0 as const, typeId: 0 },
    ...(texts.length === 2 ? [{ kind: 'sequence' as const, index: 1 as const, typeId: 1 }] : []),
  ]
  const all = { ids: [] as number[], typeIds: [] as number[], tokens: [] as string[], offsets: [] as number[], words: [] as number[] }
  for (const part of layout) {
    if (part.kind === 'special') {
      for (const [i, id] of part.ids.entries()) {
        all.ids.push(id)
        all.typeIds.push(part.typeId)
        all.tokens.push(part.tokens[i]!)
        all.offsets.push(0, 0)
        all.words.push(-1)
      }
      continue
    }
    const sequence = sequences[part.index]!
    const points = codePointsOf(sequence)
    for (const [i, id] of sequence.ids.entries()) {
      all.ids.push(id)
      all.typeIds.push(part.typeId)
      all.tokens.push(sequence.forms[i]!)
      all.offsets.push(points[sequence.starts[i]!]!, points[sequence.ends[i]!]!)
      all.words.push(sequence.words[i]!)
    }
  }
  return all
}

/** The number of code points before each unit of a text. */
function codePointsOf({ text }: TokenSequence): Int32Array {
  const points = new Int32Array(text.length + 1)
  let count = 0
  for (let at = 0; at < text.length; count++) {
    const units = text.codePointAt(at)! > 0xffff ? 2 : 1
    points.fill(count, at, at + units)
    at += units
  }
  points[text.length] = count
  return points
}

/** Where this package's answers differ from the fixture's: one line each, none when all is equal. */
export function differences(fixture: HfFixture): string[] {
  const found: string[] = []
  const check = (what: string, of: unknown, ours: unknown, theirs: unknown): void => {
    const [given, expected] = [JSON.stringify(ours), JSON.stringify(theirs)]
    if (given !== expected) found.push(`${what} of ${JSON.stringify(of)}: ${given}, expected ${expected}`)
  }
  const tokenizer = Tokenizer.fromJSON(fixture.tokenizer)
  const pipeline = readHuggingFaceJson(fixture.tokenizer).pipeline!
  for (const { text, ids, plain, tokens, offsets, words, decoded, skipped } of fixture.cases) {
    check('ids', text, [...tokenizer.encode(text, { special: 'allow' })], ids)
    check('plain ids', text, [...tokenizer.encode(text, { special: 'allow', addSpecial: false })], plain)
    const all = assemble(pipeline, [text])
    check('ids with offsets', text, all.ids, ids)
    check('tokens', text, all.tokens, tokens)
    check('offsets', text, all.offsets, offsets)
    check('words', text, all.words, words)
    check('decoding', ids, tokenizer.decode(ids), decoded)
    if (skipped !== null) check('decoding without special tokens', ids, tokenizer.decode(ids, { skipSpecial: true }), skipped)
    check('streamed decoding', ids, streamed(tokenizer, ids), decoded)
  }
  for (const { first, second, ids, typeIds, tokens } of fixture.pairs) {
    const all = assemble(pipeline, [first, second])
    check('pair ids', [first, second], all.ids, ids)
    check('type ids', [first, second], all.typeIds, typeIds)
    check('pair tokens', [first, second], all.tokens, tokens)
  }
  for (const { ids, text } of fixture.decodings) {
    check('decoding', ids, tokenizer.decode(ids), text)
    check('streamed decoding', ids, streamed(tokenizer, ids), text)
  }
  return found
}

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const decoder = tokenizer.decoder()
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush()
}
