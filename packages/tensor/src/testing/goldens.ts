/**
 * Golden values made by PyTorch (tools/goldens/ops.py): reading them, running them on a device, and comparing. Free of
 * Node and of the test runner, so that every device's tests can use it wherever they run.
 */
import type { Device } from '../device/device.js'
import { castNumber, computeArray, decodeStorage, encodeStorage, isFloat, type DType, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emitAll } from '../graph/build.js'
import type { Attr, Attrs, Value } from '../graph/node.js'
import { dtypeOf, shapeOf } from '../graph/node.js'
import { add, cast, mul, reduceSum } from '../graph/primitives.js'
import { Storage } from '../storage.js'
import { differentiate } from '../transform/backward.js'
import { realizeValues } from '../transform/realize.js'

/** A tensor written down: row-major decimals, NaN and infinities as numbers. */
export interface GoldenTensor {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly values: readonly number[]
}

/** One call of one operation, with what PyTorch got for it. */
export interface Golden {
  readonly op: string
  /** `op`, and the case when the op has several. Unique within a file. */
  readonly title: string
  readonly attrs: Attrs
  readonly inputs: readonly GoldenTensor[]
  readonly outputs: readonly GoldenTensor[]
  /** Weights of the outputs in the loss, undefined where an output takes no part. */
  readonly seeds?: readonly (readonly number[] | undefined)[]
  /** Gradients of the inputs, undefined where none is stated. */
  readonly grads?: readonly (readonly number[] | undefined)[]
  /** PyTorch computed in float32, so more precision would give other values. */
  readonly single: boolean
}

type Written = number | 'nan' | 'inf' | '-inf'
interface WrittenTensor {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly values: readonly Written[]
}
interface WrittenGolden {
  readonly op: string
  readonly name?: string
  readonly attrs?: Readonly<Record<string, Attr>>
  readonly inputs: readonly WrittenTensor[]
  readonly outputs: readonly WrittenTensor[]
  readonly seeds?: readonly (readonly Written[] | null)[]
  readonly grads?: readonly (readonly Written[] | null)[]
  readonly single?: boolean
}

const special: Readonly<Record<string, number>> = { nan: NaN, inf: Infinity, '-inf': -Infinity }
const numbers = (values: readonly Written[]): number[] => values.map((value) => (typeof value === 'number' ? value : special[value]!))
const optional = (values: readonly Written[] | null): number[] | undefined => (values === null ? undefined : numbers(values))

/** The goldens of one JSON file. */
export function parseGoldens(text: string): Golden[] {
  const { goldens } = JSON.parse(text) as { goldens: readonly WrittenGolden[] }
  return goldens.map(({ op, name, attrs = {}, inputs, outputs, seeds, grads, single = false }) => ({
    op,
    title: name === undefined ? op : `${op}: ${name}`,
    attrs,
    inputs: inputs.map((tensor) => ({ ...tensor, values: numbers(tensor.values) })),
    outputs: outputs.map((tensor) => ({ ...tensor, values: numbers(tensor.values) })),
    ...(seeds === undefined ? {} : { seeds: seeds.map(optional) }),
    ...(grads === undefined ? {} : { grads: grads.map(optional) }),
    single,
  }))
}

export interface GoldenOptions {
  /** Run what is labelled f32 in f64, for devices that have it: shows errors that float32 rounding would hide. */
  readonly double?: boolean
  /** Run composites through their decomposition. */
  readonly decomposeAll?: boolean
  /** Largest error by dtype of the result, relative to the value and to 1 (or the tensor's largest value when smaller). */
  readonly tolerance?: Partial<Readonly<Record<DType, number>>>
}

/** Elementary functions of f32 differ by a few units in the last place, and errors add up along a row. */
const defaultTolerance: Readonly<Record<DType, number>> = {
  f64: 1e-8,
  f32: 5e-6,
  f16: 2 ** -9,
  bf16: 2 ** -6,
  i32: 0,
  u32: 0,
  i8: 0,
  u8: 0,
  bool: 0,
}

/** Runs a golden on a device, forward and, where it has gradients, backward. Returns what differs, one line each. */
export async function checkGolden(golden: Golden, device: Device, options: GoldenOptions = {}): Promise<string[]> {
  const typeIn = (dtype: DType): DType => (options.double === true && dtype === 'f32' ? 'f64' : dtype)
  const leaves = golden.inputs.map((tensor) => leaf(tensor, typeIn(tensor.dtype)))
  const outputs = emitAll(
    golden.op,
    leaves.map((storage) => storage.value),
    golden.attrs,
  )
  const problems: string[] = []
  if (outputs.length !== golden.outputs.length) return [`${outputs.length} outputs, expected ${golden.outputs.length}`]

  const wanted: {
    readonly label: string
    readonly value: Value
    readonly expected: readonly number[]
    readonly shape: readonly number[]
    readonly dtype: DType
  }[] = []
  outputs.forEach((value, i) => {
    const { shape, dtype, values } = golden.outputs[i]!
    wanted.push({
      label: `output ${i}`,
      value,
      expected: values,
      shape,
      dtype: options.double === true && dtype === 'f32' ? dtypeOf(value) : dtype,
    })
  })
  const { grads } = golden
  if (grads !== undefined) {
    const targets = leaves.flatMap((storage, i) => (grads[i] === undefined ? [] : [{ value: storage.value, index: i }]))
    const derived = differentiate(
      [lossOf(golden, outputs, leaves)],
      targets.map(({ value }) => value),
    ).grads
    derived.forEach((value, k) => {
      const { index } = targets[k]!
      wanted.push({
        label: `gradient of input ${index}`,
        value,
        expected: grads[index]!,
        shape: golden.inputs[index]!.shape,
        dtype: typeIn(golden.inputs[index]!.dtype),
      })
    })
  }

  const results = await realizeValues(
    wanted.map(({ value }) => value),
    { device, ...(options.decomposeAll === true ? { decomposeAll: true } : {}) },
  )
  try {
    for (const [i, { label, value, expected, shape, dtype }] of wanted.entries()) {
      if (JSON.stringify(shapeOf(value)) !== JSON.stringify(shape) || dtypeOf(value) !== dtype) {
        problems.push(`${label} is ${dtypeOf(value)} [${shapeOf(value).join(', ')}], expected ${dtype} [${shape.join(', ')}]`)
        continue
      }
      const storage = results[i]!
      const actual = decodeStorage(dtype, await device.read(storage.buffer!, storage.bytes))
      problems.push(...compare(label, actual, expected, options.tolerance?.[dtype] ?? defaultTolerance[dtype]))
    }
  } finally {
    for (const storage of new Set([...results, ...leaves])) storage.dispose()
  }
  return problems
}

/** A golden's tensor as an input of programs. Decimals become the float32 they stand for also where they run in f64. */
function leaf({ shape, dtype, values }: GoldenTensor, as: DType): Storage {
  const array = computeArray(as, values.length)
  values.forEach((value, i) => (array[i] = castNumber(dtype, value)))
  return new Storage({ shape, dtype: as }, { host: encodeStorage(as, array) })
}

/** The sum of every seeded output times its seed; the seeds join the leaves. */
function lossOf(golden: Golden, outputs: readonly Value[], leaves: Storage[]): Value {
  const wide = outputs.some((output) => dtypeOf(output) === 'f64') ? 'f64' : 'f32'
  let loss: Value | undefined
  outputs.forEach((output, i) => {
    const values = golden.seeds?.[i]
    if (values === undefined) return
    const dtype = dtypeOf(output)
    const seed = leaf({ shape: golden.outputs[i]!.shape, dtype: golden.outputs[i]!.dtype, values }, dtype)
    leaves.push(seed)
    // Some outputs of half-typed inputs are f32: the parts meet in the wider type.
    const weighed = mul(cast(output, wide), cast(seed.value, wide))
    const part = reduceSum(
      weighed,
      shapeOf(weighed).map((_, axis) => axis),
    )
    loss = loss === undefined ? part : add(loss, part)
  })
  if (loss === undefined || !isFloat(dtypeOf(loss))) throw new TensorError('VALUE', `golden ${golden.title} has gradients but no seed`)
  return loss
}

function compare(label: string, actual: NumericArray, expected: readonly number[], tolerance: number): string[] {
  const largest = expected.reduce((max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max), 0)
  const floor = Math.min(1, largest)
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i]!
    const got = actual[i]!
    const same = Object.is(want, got) || want === got || Math.abs(got - want) <= tolerance * (Math.abs(want) + floor)
    if (!same) return [`${label}[${i}] is ${got}, expected ${want}`]
  }
  return actual.length === expected.length ? [] : [`${label} has ${actual.length} values, expected ${expected.length}`]
}
