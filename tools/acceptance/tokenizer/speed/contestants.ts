import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Tokenizer, type EncodingData } from '@tesserae/tokenizer'
import { cl100k_base } from '@tesserae/tokenizer/encodings/cl100k_base'
import { o200k_base } from '@tesserae/tokenizer/encodings/o200k_base'

export type Encode = (text: string) => ArrayLike<number>

/** A tokenizer that takes part. */
export interface Contestant {
  readonly name: string
  /** An encoder that has seen no text: a new one, or one whose cache was emptied. */
  readonly fresh: () => Encode
}

export const peerPackages = [
  'tiktoken@1.0.22',
  'js-tiktoken@1.0.21',
  'gpt-tokenizer@4.0.0',
  'ai-tokenizer@1.0.6',
  '@huggingface/tokenizers@0.2.0',
  'hypertok@0.3.4',
  '@hypertok/vocab-cl100k@1.0.0',
]

const data: Readonly<Record<string, EncodingData>> = { cl100k_base, o200k_base }

export function ours(name: 'cl100k_base' | 'o200k_base'): Contestant {
  return {
    name: `@tesserae/tokenizer ${name}`,
    fresh: () => {
      const tokenizer = Tokenizer.fromEncodingData(data[name]!)
      return (text) => tokenizer.encode(text)
    },
  }
}

/** The same vocabulary read from a `tokenizer.json`. */
export function oursFromJson(json: string): Contestant {
  return {
    name: '@tesserae/tokenizer from tokenizer.json',
    fresh: () => {
      const tokenizer = Tokenizer.fromJSON(json)
      return (text) => tokenizer.encode(text)
    },
  }
}

/** The peers in `folder`, with the vocabulary of cl100k_base; Hugging Face's reads `json`. */
export async function peers(folder: string, json: string): Promise<Contestant[]> {
  const require = createRequire(join(folder, 'package.json'))
  const load = async <T>(name: string) => (await import(pathToFileURL(require.resolve(name)).href)) as T
  // Entry points that `require` may not resolve.
  const file = async <T>(path: string) => (await import(pathToFileURL(join(folder, 'node_modules', path)).href)) as T

  const wasm = await load<{ get_encoding: (name: string) => { encode_ordinary: (text: string) => Uint32Array } }>('tiktoken')
  const tiktoken = wasm.get_encoding('cl100k_base')
  const js = await load<{ Tiktoken: new (ranks: unknown) => { encode: (text: string) => number[] } }>('js-tiktoken/lite')
  const ranks = (await load<{ default: unknown }>('js-tiktoken/ranks/cl100k_base')).default
  const jsTiktoken = new js.Tiktoken((ranks as { default?: unknown }).default ?? ranks)
  const gpt = await load<{ encode: (text: string) => number[]; clearMergeCache: () => void }>('gpt-tokenizer/encoding/cl100k_base')
  const ai = await file<{ default: new (data: unknown) => { encode: (text: string) => number[] } }>('ai-tokenizer/dist/index.js')
  const aiData = await file<object>('ai-tokenizer/dist/encoding/cl100k_base.js')
  const face = await load<{ Tokenizer: new (json: unknown, config: unknown) => { encode: (text: string) => { ids: number[] } } }>(
    '@huggingface/tokenizers',
  )
  const parsed = JSON.parse(json) as unknown
  const hyper = await file<{ fromBytes: (bytes: Uint8Array, options: unknown) => Promise<{ encodeSync: (text: string) => Uint32Array }> }>(
    'hypertok/src/index.mjs',
  )
  const { loadVocab } = await file<{ loadVocab: (name: string) => Promise<Uint8Array> }>('hypertok/src/vocab-resolve.mjs')
  const vocabulary = await loadVocab('cl100k')
  // Several at a time end in a wasm error, and nothing empties the cache of one.
  const hypertok = await hyper.fromBytes(vocabulary, { tier: 'single' })

  return [
    { name: 'tiktoken (wasm)', fresh: () => (text) => tiktoken.encode_ordinary(text) },
    { name: 'js-tiktoken', fresh: () => (text) => jsTiktoken.encode(text) },
    {
      name: 'gpt-tokenizer',
      fresh: () => {
        gpt.clearMergeCache()
        return (text) => gpt.encode(text)
      },
    },
    {
      name: 'ai-tokenizer',
      fresh: () => {
        const tokenizer = new ai.default(aiData)
        return (text) => tokenizer.encode(text)
      },
    },
    {
      name: '@huggingface/tokenizers',
      fresh: () => {
        const tokenizer = new face.Tokenizer(parsed, {})
        return (text) => tokenizer.encode(text).ids
      },
    },
    { name: 'hypertok (wasm), cache kept', fresh: () => (text) => hypertok.encodeSync(text) },
  ]
}
