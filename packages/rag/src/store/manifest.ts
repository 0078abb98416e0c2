import { RagError } from '../errors.js'
import type { EmbedderIdentity, IndexManifest } from './types.js'

/** Version of what manifests, snapshots and exports look like. */
export const manifestFormat = 1

/** An index was made with something else than it is opened with. Its content is untouched. */
export class ManifestMismatch extends RagError {
  constructor(
    /** What the program that opens it uses. */
    readonly expected: IndexManifest,
    /** What the index was made with. */
    readonly found: IndexManifest,
  ) {
    super(
      'MANIFEST',
      `The index was made with ${describe(found)}, but is opened with ${describe(expected)}. ` +
        'Open it with what it was made with, or make a new index in another place and sync into that.',
    )
  }
}

/** Throws {@link ManifestMismatch} unless what is `found` in an index may be opened with what is `expected`. */
export function checkManifest(expected: IndexManifest, found: IndexManifest): void {
  const same = expected.format === found.format && expected.analyzer === found.analyzer && sameEmbedder(expected.embedder, found.embedder)
  if (!same) throw new ManifestMismatch(expected, found)
}

/** Whether two embedders are one. Probes may differ by what rounding on different devices, or of a remote model, amounts to. */
function sameEmbedder(a: EmbedderIdentity | null, b: EmbedderIdentity | null): boolean {
  if (a === null || b === null) return a === b
  if (a.provider !== b.provider || a.modelId !== b.modelId || a.dimensions !== b.dimensions || a.probe.length !== b.probe.length)
    return false
  let difference = 0
  let size = 0
  for (let i = 0; i < a.probe.length; i++) {
    difference += (a.probe[i]! - b.probe[i]!) ** 2
    size += a.probe[i]! ** 2
  }
  return Math.sqrt(difference) <= 0.02 * Math.sqrt(size) + 1e-6
}

function describe({ format, embedder, analyzer }: IndexManifest): string {
  const model =
    embedder === null
      ? 'no embedder'
      : `the embedder ${embedder.provider}/${embedder.modelId} (${embedder.dimensions} dimensions, probe ${embedder.probe
          .slice(0, 3)
          .map((x) => x.toFixed(3))
          .join(' ')}…)`
  return `${model}, the analyzer '${analyzer}' and format ${format}`
}
