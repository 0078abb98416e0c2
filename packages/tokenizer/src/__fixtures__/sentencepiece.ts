import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** What Python's sentencepiece made of texts with a small model; see tools/tokenizer/generate-sentencepiece-fixtures.py. */
export interface SentencePieceAnswers {
  /** The model file, gzipped, in base64. */
  readonly model: string
  readonly size: number
  /** −1 for none. */
  readonly bos: number
  readonly eos: number
  readonly cases: readonly {
    readonly text: string
    readonly ids: readonly number[]
    readonly pieces: readonly string[]
    /** In bytes of the text. Of the tokens of a character's bytes only the last has its place. */
    readonly spans: readonly (readonly [number, number])[]
    readonly decoded: string
  }[]
  readonly decodings: readonly { readonly ids: readonly number[]; readonly decoded: string }[]
}

export interface PrecompiledCases {
  readonly rules: string
  /** Text, normalized text, and for each of its characters where it comes from, in code points. */
  readonly cases: readonly (readonly [string, string, readonly number[]])[]
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'))

export const sentencePieceAnswers = (): Record<string, SentencePieceAnswers> => ({
  ...(read('sentencepiece-unigram.json') as Record<string, SentencePieceAnswers>),
  ...(read('sentencepiece-bpe.json') as Record<string, SentencePieceAnswers>),
})
export const precompiledCases = (): PrecompiledCases => read('precompiled.json') as PrecompiledCases
export const unzipped = (base64: string): Uint8Array => new Uint8Array(gunzipSync(Buffer.from(base64, 'base64')))

/** Places in bytes of a text's UTF-8 as units. */
export function unitOfByte(text: string): number[] {
  const units: number[] = []
  let unit = 0
  for (const char of text) {
    const bytes = new TextEncoder().encode(char).length
    for (let i = 0; i < bytes; i++) units.push(unit)
    unit += char.length
  }
  units.push(unit)
  return units
}
