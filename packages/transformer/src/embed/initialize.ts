import { initWeights } from '../architectures/initialize.js'
import type { DecoderConfig } from '../architectures/config.js'
import { mapWeights, type DecoderWeights } from '../architectures/weights.js'
import { fromBytes, type Tensor } from '@tesserae/tensor'

/** How much larger the token table starts than a decoder's, whose entries deviate by 0.02. */
const scale = 10

/**
 * Weights to start an encoder from: a decoder's, with a token table ten times as large. The average of random token vectors already tells texts
 * by their words; steps of the usual size would wipe vectors of the usual size out before anything better is learnt. The same seed
 * gives the same weights. The caller owns them. Errors: CONFIG.
 */
export async function initEncoderWeights(config: DecoderConfig, options: { readonly seed: number | string }): Promise<DecoderWeights> {
  const weights = initWeights(config, options)
  const table = weights.embedding.weight
  const values = Float32Array.from((await table.data()) as Float32Array, (value) => value * scale)
  table.dispose()
  const scaled = fromBytes(new Uint8Array(values.buffer), { dtype: 'f32', shape: table.shape as readonly number[], adopt: true })
  return mapWeights(weights, (weight: Tensor, path) => (path === 'embedding.weight' ? scaled : weight))
}
