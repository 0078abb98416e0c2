import type { Chunker } from '../chunk/recursive.js'
import { passageText } from '../chunk/passage.js'
import type { Document, MetadataValue } from '../document.js'
import { hashOf } from '../hash.js'
import { countTerms, type Analyzer } from '../lexical/analyzer.js'
import type { ChunkRecord, SourceRecord } from '../store/types.js'

/** The source's record; its hash changes with everything that its chunks depend on. */
export function sourceRecordOf(document: Document, chunker: Chunker, scope: string): SourceRecord {
  const { id, text, title, metadata = {}, structure } = document
  const ordered = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const hash = hashOf('source/1', chunker.id, text, title ?? '', JSON.stringify(ordered), JSON.stringify(structure ?? null))
  const plain: [string, MetadataValue][] = Object.entries(metadata)
  return { sourceId: id, hash, scope, metadata: Object.fromEntries(plain), ...(title === undefined ? {} : { title }) }
}

/** The chunks of a document, without vectors. */
export function chunkRecordsOf(
  document: Document,
  { chunker, analyzer, source }: { readonly chunker: Chunker; readonly analyzer: Analyzer; readonly source: SourceRecord },
): ChunkRecord[] {
  const occurrences = new Map<string, number>()
  return chunker.chunk(document).map((piece, index) => {
    // What is embedded decides the id: under other headings the same text is another chunk.
    const content = passageText(piece)
    const occurrence = occurrences.get(content) ?? 0
    occurrences.set(content, occurrence + 1)
    return {
      id: hashOf(source.sourceId, content, String(occurrence)),
      sourceId: source.sourceId,
      index,
      start: piece.start,
      end: piece.end,
      text: piece.text,
      headings: piece.headings,
      tokens: piece.tokens,
      metadata: source.metadata,
      ...(source.title === undefined ? {} : { title: source.title }),
      terms: countTerms(analyzer.analyze(content)),
    }
  })
}
