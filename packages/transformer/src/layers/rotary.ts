import { tensor, type DType, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig, RopeScaling } from '../architectures/config.js'

/** Cosines and sines of every position, each [positions, headWidth / 2]. */
export interface RotaryTables {
  readonly cos: Tensor
  readonly sin: Tensor
}

/**
 * The tables of rotary positions (Su et al., arXiv:2104.09864): entry [p, i] belongs to the angle p · base^(−2i/headWidth).
 * Computed in double precision here rather than in the graph, where f32 angles, and on some GPUs f32 cosines of large angles,
 * would be off by more than later layers forgive.
 *
 * The caller owns both tensors; {@link disposeRotary} frees them. `length` defaults to the configuration's context.
 */
export function rotaryTables(
  config: Pick<DecoderConfig, 'headWidth' | 'context' | 'ropeBase' | 'ropeScaling'>,
  options: { readonly length?: number; readonly dtype?: DType } = {},
): RotaryTables {
  const { length = config.context, dtype = 'f32' } = options
  const pairs = config.headWidth / 2
  const cos = new Float64Array(length * pairs)
  const sin = new Float64Array(length * pairs)
  for (let i = 0; i < pairs; i++) {
    const frequency = scaled(config.ropeBase ** ((-2 * i) / config.headWidth), i, config.ropeScaling)
    for (let p = 0; p < length; p++) {
      cos[p * pairs + i] = Math.cos(p * frequency)
      sin[p * pairs + i] = Math.sin(p * frequency)
    }
  }
  const shape = [length, pairs]
  return { cos: tensor(cos, { shape, dtype }), sin: tensor(sin, { shape, dtype }) }
}

/** An angle's step from one position to the next. Source of 'llama3': the released code of Llama 3.1, https://github.com/meta-llama/llama-models. */
function scaled(frequency: number, pair: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency
  if (scaling.kind === 'linear') return frequency / scaling.factor
  if (scaling.kind === 'divided') return frequency / scaling.divisors[pair]!
  const turns = (scaling.context * frequency) / (2 * Math.PI)
  const share = Math.min(1, Math.max(0, (turns - scaling.lowFrequency) / (scaling.highFrequency - scaling.lowFrequency)))
  return (1 - share) * (frequency / scaling.factor) + share * frequency
}

/** Frees the tables. */
export function disposeRotary(tables: RotaryTables): void {
  tables.cos.dispose()
  tables.sin.dispose()
}
