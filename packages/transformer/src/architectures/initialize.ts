import { random, type RandomStream } from '@tesserae/core'
import { tensor } from '@tesserae/tensor'
import { checkConfig, type DecoderConfig } from './config.js'
import { mapWeights, weightSpecs, type DecoderWeights, type WeightSpec } from './weights.js'

/** Standard deviation of GPT-2's weights at the start. */
const spread = 0.02

/**
 * Weights to start training from, as GPT-2's: normal with deviation 0.02, the two projections that write to the residual
 * stream scaled down by √(2 · layers), norms one, biases zero. The same seed gives the same weights; each weight draws from a
 * stream named after it, so adding one changes no other. The caller owns them.
 */
export function initWeights(config: DecoderConfig, options: { readonly seed: number | string }): DecoderWeights {
  checkConfig(config)
  const stream = random(options.seed).stream('weights')
  return mapWeights(weightSpecs(config), (spec, path) =>
    tensor(startValues(spec, stream.stream(path), config.layers), { shape: spec.shape, adopt: true }),
  )
}

function startValues(spec: WeightSpec, stream: RandomStream, layers: number): Float32Array {
  const values = new Float32Array(spec.shape.reduce((a, b) => a * b, 1))
  switch (spec.start) {
    case 'zeros':
      return values
    case 'ones':
      return values.fill(1)
    case 'normal':
      return fillNormal(values, stream, spread)
    case 'residual':
      return fillNormal(values, stream, spread / Math.sqrt(2 * layers))
    default:
      return spec.start satisfies never
  }
}

function fillNormal(values: Float32Array, stream: RandomStream, deviation: number): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = deviation * stream.normal()
  return values
}
