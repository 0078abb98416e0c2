import { RagError } from '../errors.js'
import { checkManifest } from './manifest.js'
import type { ChunkRecord, IndexManifest, SourceRecord, TermCount } from './types.js'

// An index as lines of JSON, the same for every store: {"manifest": …}, then for each source {"source": …, "chunks": n} followed by n lines
// {"chunk": …}. Vectors are base64 of little-endian 32-bit floats, so that they come back bit for bit.

/** What one source is exported as. */
export interface ExportedSource {
  readonly source: SourceRecord
  readonly chunks: readonly ChunkRecord[]
}

/** The first line of an export. */
export function manifestLine(manifest: IndexManifest): string {
  return JSON.stringify({ manifest })
}

/** The lines of one source. */
export function* sourceLines({ source, chunks }: ExportedSource): Generator<string> {
  yield JSON.stringify({ source, chunks: chunks.length })
  for (const { vector, ...rest } of chunks)
    yield JSON.stringify({ chunk: vector === undefined ? rest : { ...rest, vector: encodeVector(vector) } })
}

/**
 * Reads an export, source by source. `expected` is checked against its manifest before anything is yielded.
 *
 * Errors: ManifestMismatch, and DATA with the number of a line that cannot be read or of an export that ends within a source.
 */
export async function* readExport(
  lines: Iterable<string> | AsyncIterable<string>,
  expected: IndexManifest,
): AsyncGenerator<ExportedSource> {
  let number = 0
  let checked = false
  let open: { readonly source: SourceRecord; readonly chunks: ChunkRecord[]; missing: number } | undefined
  for await (const line of lines) {
    number++
    if (line.trim() === '') continue
    const value = parse(line, number)
    if (!checked) {
      const { manifest } = value
      if (!isObject(manifest) || typeof manifest['analyzer'] !== 'string') throw damaged(number, 'the first line must be {"manifest": …}')
      checkManifest(expected, manifest as unknown as IndexManifest)
      checked = true
    } else if (open === undefined) {
      const { source, chunks } = value
      if (!isObject(source) || typeof source['sourceId'] !== 'string' || !Number.isInteger(chunks))
        throw damaged(number, 'expected {"source": …, "chunks": n}')
      open = { source: source as unknown as SourceRecord, chunks: [], missing: chunks as number }
    } else {
      open.chunks.push(chunkOf(value['chunk'], open.source.sourceId, expected, number))
      open.missing--
    }
    if (open?.missing === 0) {
      yield open
      open = undefined
    }
  }
  if (!checked) throw damaged(number, 'nothing is there')
  if (open !== undefined)
    throw damaged(number, `it ends ${open.missing} chunks before the end of source ${JSON.stringify(open.source.sourceId)}`)
}

function chunkOf(value: unknown, sourceId: string, { embedder }: IndexManifest, line: number): ChunkRecord {
  if (!isObject(value) || typeof value['id'] !== 'string' || typeof value['text'] !== 'string' || !Array.isArray(value['terms']))
    throw damaged(line, 'expected {"chunk": …} with id, text and terms')
  if (value['sourceId'] !== sourceId)
    throw damaged(line, `the chunk is of source ${JSON.stringify(value['sourceId'])}, not of ${JSON.stringify(sourceId)}`)
  const { vector: encoded, ...rest } = value as unknown as Omit<ChunkRecord, 'vector' | 'terms'> & {
    readonly terms: readonly TermCount[]
    readonly vector?: unknown
  }
  if (encoded === undefined) return rest
  const vector = typeof encoded === 'string' ? decodeVector(encoded) : undefined
  if (vector === undefined || vector.length !== embedder?.dimensions)
    throw damaged(line, `the vector must be base64 of ${embedder?.dimensions ?? 'no'} 32-bit floats`)
  return { ...rest, vector }
}

function parse(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (isObject(value)) return value
  } catch (cause) {
    throw damaged(number, 'it is no JSON', cause)
  }
  throw damaged(number, 'expected an object')
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

function damaged(line: number, problem: string, cause?: unknown): RagError {
  return new RagError('DATA', `Line ${line} of the exported index cannot be read: ${problem}`, cause === undefined ? {} : { cause })
}

/** A vector as base64 of little-endian 32-bit floats. */
export function encodeVector(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.length * 4)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < vector.length; i++) view.setFloat32(4 * i, vector[i]!, true)
  let text = ''
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(text)
}

/** The vector of {@link encodeVector}; undefined for anything else. */
export function decodeVector(encoded: string): Float32Array | undefined {
  let text: string
  try {
    text = atob(encoded)
  } catch {
    return undefined
  }
  if (text.length % 4 !== 0) return undefined
  const view = new DataView(new ArrayBuffer(text.length))
  for (let i = 0; i < text.length; i++) view.setUint8(i, text.charCodeAt(i))
  return Float32Array.from({ length: text.length / 4 }, (_, i) => view.getFloat32(4 * i, true))
}
