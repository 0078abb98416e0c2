import { random } from '@tesserae/core'
import { hashOf } from '../hash.js'
import { manifestFormat } from '../store/manifest.js'
import type { ChunkRecord, IndexManifest, SourceChange, SourceRecord, TermCount } from '../store/types.js'
import type { Metadata } from '../document.js'

/** Length of the vectors of {@link makeChange}. */
export const dimensions = 8

/** A manifest for the kit's vectors. */
export function makeManifest(name = 'fixture', probe: readonly number[] = [1, 0, 0, 0, 0, 0, 0, 0]): IndexManifest {
  return { format: manifestFormat, embedder: { provider: 'test', modelId: name, dimensions, probe }, analyzer: 'words/1' }
}

/** Terms of a text: its words, counted. */
export function countWords(text: string): TermCount[] {
  const counts = new Map<string, number>()
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts]
}

export interface SourceShape {
  readonly hash?: string
  readonly scope?: string
  readonly metadata?: Metadata
  readonly title?: string
  /** One for each text; default drawn from the text's hash. Null for a chunk without one. */
  readonly vectors?: readonly (readonly number[] | null)[]
}

/** A change that makes a source consist of these texts, one chunk each, and nothing else of `previous`. */
export function makeChange(
  sourceId: string,
  texts: readonly string[],
  { hash = hashOf(...texts), scope = '', metadata = {}, title, vectors, previous }: SourceShape & { readonly previous?: SourceChange } = {},
): SourceChange {
  const seen = new Map<string, number>()
  let start = 0
  const upsert = texts.map((text, index): ChunkRecord => {
    const occurrence = seen.get(text) ?? 0
    seen.set(text, occurrence + 1)
    const vector = vectors === undefined ? vectorOf(text) : vectors[index]
    const record = {
      id: hashOf(sourceId, text, String(occurrence)),
      sourceId,
      index,
      text,
      start,
      end: start + text.length,
      headings: ['Top', 'Part “one”'],
      ...(title === undefined ? {} : { title }),
      tokens: text.split(' ').length,
      metadata,
      terms: countWords(text),
      ...(vector === null || vector === undefined ? {} : { vector: Float32Array.from(vector) }),
    }
    start += text.length
    return record
  })
  const source: SourceRecord = { sourceId, hash, scope, metadata, ...(title === undefined ? {} : { title }) }
  const kept = new Set(upsert.map(({ id }) => id))
  return { source, upsert, remove: (previous?.upsert ?? []).map(({ id }) => id).filter((id) => !kept.has(id)) }
}

/** A vector that depends on the text alone. */
export function vectorOf(text: string): number[] {
  const stream = random(text).stream('vector')
  return Array.from({ length: dimensions }, () => stream.normal())
}
