import { philox4x32 } from '@tesserae/core'
import { castNumber, computeArray, encodeStorage, isFloat, isInteger, type DType, type NumericArray } from '../dtype.js'
import { emitAll } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import type { OpRow, Sample, SampleInput } from '../ops/row.js'
import { Storage } from '../storage.js'

/** A generator of numbers in [0, 1), the same on every run (Marsaglia's xorshift, "Xorshift RNGs", 2003). */
export function numbers(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** Every sample of some rows with its name, as tests list them. */
export const samplesOf = (rows: readonly OpRow[]): (readonly [name: string, row: OpRow, sample: Sample])[] =>
  rows.flatMap((row) => row.samples.map((sample) => [`${row.name}: ${sample.name}`, row, sample] as const))

/** Deterministic numbers in [0, 1) for a name. */
function unitNumbers(name: string, count: number): Float64Array {
  let seed = 2166136261
  for (let i = 0; i < name.length; i++) seed = Math.imul(seed ^ name.charCodeAt(i), 16777619)
  const words = new Uint32Array(4)
  return Float64Array.from({ length: count }, (_, i) => philox4x32([i, 0, 0, 0], [seed >>> 0, 0x7e55], words)[0]! / 2 ** 32)
}

/** The values of one sample input, as the dtype holds them. */
export function sampleValues(input: SampleInput, name: string): NumericArray {
  const dtype = input.dtype ?? 'f32'
  const count = input.shape.reduce((a, b) => a * b, 1)
  const values = computeArray(dtype, count)
  const [low, high] = input.range ?? (dtype === 'bool' ? [0, 1] : dtype === 'u32' || dtype === 'u8' ? [0, 4] : [-2, 2])
  const unit = unitNumbers(name, count)
  for (let i = 0; i < count; i++) {
    const drawn = isInteger(dtype) || dtype === 'bool' ? low + Math.floor(unit[i]! * (high - low + 1)) : low + unit[i]! * (high - low)
    values[i] = castNumber(dtype, input.values === undefined ? drawn : input.values[i]!)
  }
  return values
}

export interface SampleCase {
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

/** A sample as graph over fresh host leaves, so that each device gets its own. `dtype` replaces f32 inputs. */
export function sampleCase(row: OpRow, sample: Sample, dtype: DType = 'f32'): SampleCase {
  const inputs = sample.inputs.map((input, i) => {
    const own = input.dtype ?? 'f32'
    const type = { shape: input.shape, dtype: isFloat(own) && dtype === 'f64' ? 'f64' : own === 'f32' ? dtype : own } as const
    const values = sampleValues({ ...input, dtype: own }, `${row.name}/${sample.name}/${i}`)
    return new Storage(type, { host: encodeStorage(type.dtype, type.dtype === 'f64' ? Float64Array.from(values) : values) }).value
  })
  return { inputs, outputs: emitAll(row.name, inputs, sample.attrs ?? {}) }
}
