/** Checkpoints that are no folders: files in memory, and addresses. */
import { httpSource, openSafetensors, openSafetensorsIndex, TensorError, type ByteSourceLike } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import { checkTextSize, join, type CheckpointFiles } from './checkpoint.js'
import { openEmbedder, type BertEmbedder, type LoadEmbedderOptions } from './embedder.js'
import { openReranker, type LoadRerankerOptions, type Reranker } from './reranker.js'

/** A checkpoint's files by their paths in its folder: texts as strings or bytes, weights as bytes, a Blob or a source of ranges. */
export type NamedFiles = Readonly<Record<string, string | ByteSourceLike>>

function filesOf(source: NamedFiles | URL, signal: AbortSignal | undefined): CheckpointFiles {
  const open = source instanceof URL ? addressed(source, signal) : named(source)
  const label = source instanceof URL ? source.href : 'checkpoint'
  const weights = async (path: string): Promise<ByteSourceLike> => {
    const found = await open(path)
    if (found === undefined || typeof found === 'string') throw new TransformerError('CHECKPOINT', `${label}: ${path} is missing`)
    return found
  }
  return {
    label,
    async text(path) {
      const found = await open(path)
      if (found === undefined || typeof found === 'string') return found
      const bytes = found instanceof Uint8Array ? found : await whole(found, `${label}: ${path}`)
      return new TextDecoder().decode(bytes)
    },
    async tensors(folder) {
      const index = join(folder, 'model.safetensors.index.json')
      const found = await open(index)
      if (found === undefined) return openSafetensors(await weights(join(folder, 'model.safetensors')), { label })
      const bytes = typeof found === 'string' ? new TextEncoder().encode(found) : found
      return openSafetensorsIndex(bytes, (shard) => weights(join(folder, shard)), { label })
    },
  }
}

type OpenPath = (path: string) => Promise<string | ByteSourceLike | undefined>

const named =
  (files: NamedFiles): OpenPath =>
  (path) =>
    Promise.resolve(Object.hasOwn(files, path) ? files[path] : undefined)

/** Files below an address. One that the server does not have is none; whatever else it answers is an error. */
function addressed(base: URL, signal: AbortSignal | undefined): OpenPath {
  const folder = base.href.endsWith('/') ? base : new URL(`${base.href}/`)
  return async (path) => {
    const url = new URL(path, folder)
    const found = await fetch(url, { method: 'HEAD', ...(signal === undefined ? {} : { signal }) })
    if (found.status === 404) return undefined
    return httpSource(url, signal === undefined ? {} : { signal })
  }
}

async function whole(source: Exclude<ByteSourceLike, Uint8Array>, label: string): Promise<Uint8Array> {
  checkTextSize(source.size, label)
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer())
  const bytes = await source.read(0, source.size)
  if (bytes.byteLength !== source.size) throw new TensorError('IO', `${label} ended after ${bytes.byteLength} of ${source.size} bytes`)
  return bytes
}

/**
 * An embedder from files in memory or below an address, in a browser for one: `loadEmbedder` of `@tesserae/transformer/node` takes a folder and says which models. Weights
 * are read by ranges. Errors as there; IO for what a server refuses.
 */
export const readEmbedder = (source: NamedFiles | URL, options: LoadEmbedderOptions = {}): Promise<BertEmbedder> =>
  openEmbedder(filesOf(source, options.signal), options)

/** A reranker likewise, see `loadReranker`. */
export const readReranker = (source: NamedFiles | URL, options: LoadRerankerOptions = {}): Promise<Reranker> =>
  openReranker(filesOf(source, options.signal), options)
