import type { Metadata } from '../../document.js'
import type { Chunk, ChunkRecord, SourceRecord, StoreHit } from '../types.js'

/** A row of the columns of a chunk. */
export interface ChunkRow {
  readonly id: string
  readonly source_id: string
  readonly place: number
  readonly starts: number
  readonly ends: number
  readonly body: string
  readonly headings: readonly string[]
  readonly title: string | null
  readonly tokens: number
  readonly metadata: Metadata
}

/** A row of the table of sources. */
export interface SourceRow {
  readonly source_id: string
  readonly hash: string
  readonly scope: string
  readonly title: string | null
  readonly metadata: Metadata
}

export const sourceOf = ({ source_id, hash, scope, title, metadata }: SourceRow): SourceRecord => ({
  sourceId: source_id,
  hash,
  scope,
  metadata,
  ...(title === null ? {} : { title }),
})

export const chunkOf = ({ id, source_id, place, starts, ends, body, headings, title, tokens, metadata }: ChunkRow): Chunk => ({
  id,
  sourceId: source_id,
  index: place,
  start: starts,
  end: ends,
  text: body,
  headings,
  ...(title === null ? {} : { title }),
  tokens,
  metadata,
})

export const hitOf = (row: ChunkRow & { readonly score: number }): StoreHit => ({ chunk: chunkOf(row), score: row.score })

/** A chunk as the upsert takes it; vectors are scaled to length 1. */
export const rowOf = ({ id, sourceId, index, start, end, text, headings, title, tokens, terms, vector }: ChunkRecord): object => ({
  id,
  source_id: sourceId,
  place: index,
  starts: start,
  ends: end,
  body: text,
  headings,
  title: title ?? null,
  tokens,
  length: terms.reduce((sum, [, count]) => sum + count, 0),
  embedding: vector === undefined ? null : vectorText(vector),
  terms,
})

/** A vector scaled to length 1, as pgvector reads it. */
export function vectorText(vector: Float32Array): string {
  const size = Math.hypot(...vector)
  return `[${Array.from(vector, (x) => Math.fround(x / size)).join(',')}]`
}

export const vectorOf = (text: string): Float32Array => Float32Array.from(JSON.parse(text) as number[])
