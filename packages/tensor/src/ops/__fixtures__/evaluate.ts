/** Test helpers: values on the host in and out of the reference interpreter, and a numerical check of derivatives. */
import type { Program } from '../../compile/program.js'
import { interpret } from '../../device/reference/interpret.js'
import { castNumber, computeArray, type DType, type NumericArray } from '../../dtype.js'
import { makeNode } from '../../graph/build.js'
import { shapeOf, typeOf, type Attrs, type Value } from '../../graph/node.js'
import { topological } from '../../graph/walk.js'
import { resolveShape, type Shape, type SymValues } from '../../shape.js'
import type { OpRow, Sample, SampleInput } from '../row.js'
import { sizeOf } from '../strided.js'
import '../table.js'

const sources = new WeakMap<object, NumericArray>()
const noSymbols: SymValues = new Map()

/** An input node that holds values. */
export function given(values: readonly number[], shape: Shape = [values.length], dtype: DType = 'f32'): Value {
  const data = computeArray(dtype, values.length)
  values.forEach((value, i) => (data[i] = castNumber(dtype, value)))
  const node = makeNode('input', [], {}, [{ shape, dtype }], {})
  sources.set(node, data)
  return { node, index: 0 }
}

/** Replaces the values of an input made by {@link given}. */
export const refill = (input: Value, values: ArrayLike<number>): void => sources.get(input.node)!.set(values)
export const dataOf = (input: Value): NumericArray => sources.get(input.node)!

/** Computes values; inputs are those made by {@link given}. */
export function evaluate(outputs: readonly Value[], symbols: SymValues = noSymbols): number[][] {
  const nodes = topological(outputs)
  const inputs = nodes.filter((node) => node.op === 'input').map((node): Value => ({ node, index: 0 }))
  const program: Program = {
    key: 'test',
    nodes: nodes.filter((node) => node.op !== 'input'),
    inputs: inputs.map((value) => ({ ...typeOf(value), role: 'input', value })),
    outputs: outputs.map((value) => ({ ...typeOf(value), value })),
    symbols: [...symbols.keys()],
    keepsDuplicates: false,
  }
  return interpret(
    program,
    inputs.map((value) => sources.get(value.node)!.slice()),
    symbols,
  ).map((values, i) => {
    const expected = sizeOf(resolveShape(shapeOf(outputs[i]!), symbols))
    if (values.length !== expected) throw new Error(`${outputs[i]!.node.op} gave ${values.length} values for ${expected} elements`)
    return [...values]
  })
}

/** {@link evaluate} for one value. */
export const read = (output: Value, symbols?: SymValues): number[] => evaluate([output], symbols)[0]!

/** A generator of numbers in [0, 1), the same on every run (xorshift32). */
export function numbers(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

/** An input for a sample; floats become f64 when `wide`. */
export function sampleInput(input: SampleInput, random: () => number, wide = false): Value {
  const dtype = input.dtype ?? 'f32'
  const isFloat = dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
  const [low, high] = input.range ?? (dtype === 'bool' ? [0, 1] : [-2, 2])
  const draw = (): number => (isFloat ? low + (high - low) * random() : low + Math.floor((high - low + 1) * random()))
  const values = input.values ?? Array.from({ length: sizeOf(input.shape) }, draw)
  return given(values, input.shape, wide && isFloat ? 'f64' : dtype)
}

export const sampleAttrs = (sample: Sample): Attrs => sample.attrs ?? {}
export const label = (row: OpRow, sample: Sample): string => `${row.name}: ${sample.name}`
