import { tensor, type DType, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { ropeAngles, type RopeScaling } from '../architectures/rope-scaling.js'

/** Cosines and sines of every position, each [positions, rotated width / 2]. */
export interface RotaryTable {
  readonly cos: Tensor
  readonly sin: Tensor
}

/** The tables of a model. */
export interface RotaryTables extends RotaryTable {
  /** Of the layers with a window, where those have a base of their own. */
  readonly local?: RotaryTable
}

/**
 * The tables of rotary positions (Su et al., arXiv:2104.09864): entry [p, i] belongs to the angle p · base^(−2i/width), stretched as the configuration says.
 * Computed in double precision here rather than in the graph, where f32 angles, and on some GPUs f32 cosines of large angles,
 * would be off by more than later layers forgive.
 *
 * The caller owns the tensors; {@link disposeRotary} frees them. `length` defaults to the configuration's context.
 */
export function rotaryTables(
  config: Pick<DecoderConfig, 'headWidth' | 'context' | 'ropeBase' | 'ropeScaling' | 'rotaryWidth' | 'localRopeBase'>,
  options: { readonly length?: number; readonly dtype?: DType } = {},
): RotaryTables {
  const { length = config.context, dtype = 'f32' } = options
  const { rotaryWidth: width = config.headWidth, context, localRopeBase } = config
  const table = (base: number, scaling?: RopeScaling): RotaryTable => {
    const { steps, amplitude } = ropeAngles({ width, base, context, scaling })
    const [cos, sin] = [new Float64Array(length * steps.length), new Float64Array(length * steps.length)]
    for (let p = 0; p < length; p++)
      for (let i = 0; i < steps.length; i++) {
        cos[p * steps.length + i] = amplitude * Math.cos(p * steps[i]!)
        sin[p * steps.length + i] = amplitude * Math.sin(p * steps[i]!)
      }
    const shape = [length, steps.length]
    return { cos: tensor(cos, { shape, dtype }), sin: tensor(sin, { shape, dtype }) }
  }
  return { ...table(config.ropeBase, config.ropeScaling), ...(localRopeBase === undefined ? {} : { local: table(localRopeBase) }) }
}

/** Tables of the first positions for programs that keep them, where the configuration calls for any. */
export function frozenTables(config: DecoderConfig, length: number): RotaryTables | undefined {
  if (config.positions !== 'rotary') return undefined
  const tables = rotaryTables(config, { length })
  for (const table of rotaryTensors(tables)) table.freeze()
  return tables
}

/** All tensors of the tables. */
export const rotaryTensors = ({ cos, sin, local }: RotaryTables): readonly Tensor[] => [
  cos,
  sin,
  ...(local === undefined ? [] : [local.cos, local.sin]),
]

/** Frees the tables. */
export function disposeRotary(tables: RotaryTables): void {
  for (const table of rotaryTensors(tables)) table.dispose()
}
