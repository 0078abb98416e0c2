import { realize, type Device } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import type { ModelOptions } from '../architectures/decoder.js'
import { disposeWeights, namedWeights, type AnyDecoderWeights } from '../architectures/weights.js'
import { disposeRotary, frozenTables } from '../layers/rotary.js'

/** Weights ready for programs that do not change them. */
export interface HeldWeights {
  /** The configuration, with rotary tables where it calls for them. */
  readonly model: ModelOptions
  /** Frees the tables, and the weights unless they were borrowed. */
  release(): void
}

/**
 * Computes weights, those that have no values yet on `device`, and freezes them, so that a device may keep them in its own layout; borrowed ones stay as they are and the
 * caller's.
 */
export async function holdWeights(
  config: DecoderConfig,
  weights: AnyDecoderWeights,
  { borrow, device, capacity }: { readonly borrow: boolean; readonly device: Device; readonly capacity: number },
): Promise<HeldWeights> {
  const leaves = [...namedWeights(weights).values()]
  for (const leaf of leaves) if (!borrow && leaf.realized) leaf.freeze() // before they are placed: a device may have other memory for what stays
  await realize(leaves, { device })
  if (!borrow) for (const leaf of leaves) leaf.freeze()
  const rotary = frozenTables(config, capacity)
  return {
    model: { config, ...(rotary === undefined ? {} : { rotary }) },
    release() {
      if (rotary !== undefined) disposeRotary(rotary)
      if (!borrow) disposeWeights(weights)
    },
  }
}
