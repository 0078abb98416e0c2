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
async function oursFromJson(): Promise<Contestant> {
  const json = JSON.stringify(await Tokenizer.fromEncoding('cl100k_base'))
  return {
    name: '@tesserae/tokenizer from tokenizer.json',
    fresh: () => {
      const tokenizer = Tokenizer.fromJSON(json)
      return (text) => tokenizer.encode(text)
    },
  }
}

/** Loads the packages of a folder. */
class Peers {
  private readonly require: NodeJS.Require

  constructor(private readonly folder: string) {
    this.require = createRequire(join(folder, 'package.json'))
  }

  async load<T>(name: string): Promise<T> {
    return (await import(pathToFileURL(this.require.resolve(name)).href)) as T
  }

  /** Entry points that `require` may not resolve. */
  async file<T>(path: string): Promise<T> {
    return (await import(pathToFileURL(join(this.folder, 'node_modules', path)).href)) as T
  }
}

/** The peers, each with the vocabulary of cl100k_base. */
const makers = {
  'tiktoken (wasm)': async (peers: Peers) => {
    const wasm = await peers.load<{ get_encoding: (name: string) => { encode_ordinary: (text: string) => Uint32Array } }>('tiktoken')
    const tiktoken = wasm.get_encoding('cl100k_base')
    return () => (text) => tiktoken.encode_ordinary(text)
  },
  'js-tiktoken': async (peers: Peers) => {
    const js = await peers.load<{ Tiktoken: new (ranks: unknown) => { encode: (text: string) => number[] } }>('js-tiktoken/lite')
    const ranks = (await peers.load<{ default: unknown }>('js-tiktoken/ranks/cl100k_base')).default
    const tokenizer = new js.Tiktoken((ranks as { default?: unknown }).default ?? ranks)
    return () => (text) => tokenizer.encode(text)
  },
  'gpt-tokenizer': async (peers: Peers) => {
    const gpt = await peers.load<{ encode: (text: string) => number[]; clearMergeCache: () => void }>('gpt-tokenizer/encoding/cl100k_base')
    return () => {
      gpt.clearMergeCache()
      return (text) => gpt.encode(text)
    }
  },
  'ai-tokenizer': async (peers: Peers) => {
    const ai = await peers.file<{ default: new (data: unknown) => { encode: (text: string) => number[] } }>('ai-tokenizer/dist/index.js')
    const encoding = await peers.file<object>('ai-tokenizer/dist/encoding/cl100k_base.js')
    return () => {
      const tokenizer = new ai.default(encoding)
      return (text) => tokenizer.encode(text)
    }
  },
  '@huggingface/tokenizers': async (peers: Peers) => {
    const face = await peers.load<{
      Tokenizer: new (json: unknown, config: unknown) => { encode: (text: string) => { ids: number[] } }
    }>('@huggingface/tokenizers')
    const parsed = JSON.parse(JSON.stringify(await Tokenizer.fromEncoding('cl100k_base'))) as unknown
    return () => {
      const tokenizer = new face.Tokenizer(parsed, {})
      return (text) => tokenizer.encode(text).ids
    }
  },
  // Several at a time end in a wasm error, and nothing empties the cache of one.
  'hypertok (wasm), cache kept': async (peers: Peers) => {
    const hyper = await peers.file<{
      fromBytes: (bytes: Uint8Array, options: unknown) => Promise<{ encodeSync: (text: string) => Uint32Array }>
    }>('hypertok/src/index.mjs')
    const { loadVocab } = await peers.file<{ loadVocab: (name: string) => Promise<Uint8Array> }>('hypertok/src/vocab-resolve.mjs')
    const tokenizer = await hyper.fromBytes(await loadVocab('cl100k'), { tier: 'single' })
    return () => (text) => tokenizer.encodeSync(text)
  },
} satisfies Readonly<Record<string, (peers: Peers) => Promise<() => Encode>>>

const own = {
  '@tesserae/tokenizer cl100k_base': () => ours('cl100k_base'),
  '@tesserae/tokenizer o200k_base': () => ours('o200k_base'),
  '@tesserae/tokenizer from tokenizer.json': oursFromJson,
} satisfies Readonly<Record<string, () => Contestant | Promise<Contestant>>>

export type OwnName = keyof typeof own
export type PeerName = keyof typeof makers
export const ownNames = Object.keys(own) as OwnName[]
export const peerNames = Object.keys(makers) as PeerName[]

/** @param folder where npm installed the peers; not looked at for ours */
export async function contestant(name: OwnName | PeerName, folder: string): Promise<Contestant> {
  return name in own ? own[name as OwnName]() : { name, fresh: await makers[name as PeerName](new Peers(folder)) }
}
