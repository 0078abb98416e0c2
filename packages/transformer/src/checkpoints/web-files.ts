/** Checkpoints behind addresses and in what pages are given. */
import { httpSource, type ByteSource } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import type { CheckpointFiles } from './files.js'

export interface UrlFilesOptions {
  readonly signal?: AbortSignal
  /** Sent with every request, for example an authorization. */
  readonly headers?: Readonly<Record<string, string>>
  /** In place of the global fetch. */
  readonly fetch?: typeof fetch
}

const isFileName = (name: string): boolean => /\.(gguf|bin|safetensors|json)$/i.test(name)

/** A file with those beside it, or a folder, on an HTTP server. Files are read by ranges. */
export function urlFiles(url: URL, options: UrlFilesOptions = {}): CheckpointFiles {
  const label = url.href.split(/[?#]/)[0]!
  const segments = url.pathname.split('/').filter((segment) => segment !== '')
  const last = segments.at(-1) ?? ''
  const single = url.protocol === 'blob:' || url.protocol === 'data:'
  const entry = single ? 'model' : isFileName(last) ? decodeURIComponent(last) : undefined
  const base = new URL(url)
  if (entry === undefined && !base.pathname.endsWith('/')) base.pathname += '/'
  return {
    label: single ? `${url.protocol}…` : label,
    name: single ? 'model' : decodeURIComponent(entry === undefined ? last || url.host : last),
    ...(entry === undefined ? {} : { entry }),
    async open(name) {
      if (single) return name === entry ? httpSource(url, options) : undefined
      const address = new URL(encodeURIComponent(name), base)
      address.search = url.search
      return openUnlessMissing(address, options)
    },
  }
}

async function openUnlessMissing(address: URL, options: UrlFilesOptions): Promise<ByteSource | undefined> {
  let status = 0
  const send: typeof fetch = async (input, init) => {
    const response = await (options.fetch ?? fetch)(input, init)
    status = response.status
    return response
  }
  try {
    return await httpSource(address, { ...options, fetch: send })
  } catch (error) {
    if (status === 404 || status === 410) return undefined
    throw error
  }
}

/** Blobs and files as a checkpoint: one file, or all files of a folder. */
export function blobFiles(given: Blob | readonly Blob[]): CheckpointFiles {
  const blobs = given instanceof Blob ? [given] : [...given]
  if (blobs.length === 0) throw new TransformerError('OPTION', 'loadModel was given no files; give a GGUF file, or all files of a folder')
  const byName = new Map(blobs.map((blob, i) => [nameOf(blob) ?? `file-${i}`, blob]))
  const names = [...byName.keys()]
  const entry = names.length === 1 ? names[0]! : undefined
  const name = entry ?? folderOf(blobs[0]!) ?? 'files'
  return {
    label: name,
    name,
    names,
    ...(entry === undefined ? {} : { entry }),
    async open(wanted) {
      const blob = byName.get(wanted)
      if (blob === undefined) return undefined
      return {
        size: blob.size,
        label: wanted,
        read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
      }
    },
  }
}

const nameOf = (blob: Blob): string | undefined => ('name' in blob && typeof blob.name === 'string' ? blob.name : undefined)

/** The folder that a file was chosen with, in pages. */
function folderOf(blob: Blob): string | undefined {
  const path = 'webkitRelativePath' in blob && typeof blob.webkitRelativePath === 'string' ? blob.webkitRelativePath : ''
  return path.split('/').at(-2)
}
