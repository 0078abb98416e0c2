import { RagError } from '../errors.js'
import type { IndexManifest, SourceChange } from './types.js'

/** Refuses a change that does not fit the index, before any of it is written. Whether its chunks are another source's only the store knows. */
export function checkChange({ source, upsert }: SourceChange, { embedder }: IndexManifest): void {
  const seen = new Set<string>()
  for (const { id, sourceId, vector } of upsert) {
    const name = JSON.stringify(id)
    if (sourceId !== source.sourceId) throw new RagError('STORE', `Chunk ${name} is of source '${sourceId}', not of '${source.sourceId}'`)
    if (seen.has(id)) throw new RagError('STORE', `Chunk ${name} is given twice for source '${sourceId}'`)
    seen.add(id)
    if (vector === undefined) continue
    if (vector.length !== embedder?.dimensions)
      throw new RagError(
        'OPTION',
        `Chunk ${name} has a vector of ${vector.length} components; the index takes ${embedder?.dimensions ?? 'none'}`,
      )
    if (!vector.every(Number.isFinite) || vector.every((x) => x === 0))
      throw new RagError('OPTION', `Chunk ${name} has a vector that is zero or not finite`)
  }
}
