/** ONNX models of others, run as they are. */
import { defaultDevice } from '../device/default.js'
import type { Device, DeviceName } from '../device/device.js'
import { resolveDevice } from '../device/registry.js'
import type { ExternalTensor, RawTensor, WholeModelSession } from '../device/onnx/whole-model.js'
import { byteSize, type DType } from '../dtype.js'
import { fromBytes } from '../create.js'
import { TensorError } from '../errors.js'
import { httpSource } from '../io/http.js'
import { show } from '../io/json.js'
import { asSource, readExactly, type ByteSourceLike } from '../io/source.js'
import { loadStored } from '../io/stored.js'
import type { Tensor } from '../tensor.js'
import { describeOnnx, largestProtobuf, onnxDTypes, type ExternalPlace, type OnnxDType, type OnnxValue } from './describe.js'

export interface LoadOnnxOptions {
  /** A device over ONNX Runtime, 'cpu'; default that. */
  readonly device?: Device | DeviceName
  readonly signal?: AbortSignal
  /** Opens a file that holds weights, by its path relative to the model; default, for a URL, the file beside it. */
  readonly openExternal?: (location: string) => ByteSourceLike | Promise<ByteSourceLike>
  /** What errors call the model. */
  readonly label?: string
}

export interface RunOnnxOptions {
  /** Which outputs to compute; default all. */
  readonly outputs?: readonly string[]
  /** Stops the run with an error of code ABORTED: in Node at the next node of the graph, in a browser at its end. */
  readonly signal?: AbortSignal
}

/** A model ready to run. Own it: `using`, or `dispose()`. */
export interface OnnxModel extends Disposable {
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** Version of each set of operators that the model uses, by domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>
  readonly metadata: Readonly<Record<string, string>>
  readonly device: Device
  /**
   * Runs the model. Give a tensor for each input, of its dtype: i32, or u32, where it says i64, u64, i16 or u16, f32 where it says f64; results come back likewise. The caller owns the results.
   *
   * @throws TensorError VALUE for inputs that are missing, unknown or do not fit the dtype's range; DTYPE, SHAPE; RUNTIME with ONNX Runtime's words; ABORTED
   */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOnnxOptions): Promise<Record<string, Tensor>>
  dispose(): void
}

/**
 * Loads any ONNX model, to run it as it is. Everything in the file is checked before the runtime sees it: sizes, types of inputs and outputs, and that weights in files of their own lie in the model's folder.
 *
 * @throws TensorError FILE for what is no ONNX model, IO, DTYPE for inputs and outputs that are no tensors, DEVICE, RUNTIME with ONNX Runtime's words (such as an operator that it does not have)
 * @example
 * using model = await loadOnnx(new URL('/models/encoder.onnx', location.href))
 * const { last_hidden_state: hidden } = await model.run({ input_ids: tensor([[101, 102]], { dtype: 'i32' }), … })
 */
export async function loadOnnx(source: ByteSourceLike | URL, options: LoadOnnxOptions = {}): Promise<OnnxModel> {
  const { device: wanted, signal } = options
  const opened = source instanceof URL ? await httpSource(source, signal === undefined ? {} : { signal }) : asSource(source)
  const label = options.label ?? (source instanceof URL ? source.href : (opened.label ?? 'ONNX model'))
  if (opened.size > largestProtobuf)
    throw new TensorError('FILE', `${label}: ${opened.size} bytes are more than an ONNX file can have (2 GiB)`)
  const bytes = await readExactly(opened, 0, opened.size)
  await opened.dispose?.()
  const description = describeOnnx(bytes, label)
  const beside =
    source instanceof URL ? (location: string) => httpSource(new URL(location, source), signal === undefined ? {} : { signal }) : undefined
  const { files, external } = await readExternal(description.external, options.openExternal ?? beside, label)
  const device = await deviceFor(wanted)
  checkSignal(signal)
  const session = await device.openModel!({ bytes, files, external })
  if (signal?.aborted === true) {
    session.dispose()
    checkSignal(signal)
  }
  return model(description, session, device)
}

async function deviceFor(wanted: Device | DeviceName | undefined): Promise<Device> {
  let device = wanted === undefined ? await defaultDevice() : await resolveDevice(wanted)
  // The fastest device of the machine may be a graphics card, and nobody has asked for it.
  if (device.openModel === undefined && (wanted === undefined || wanted === 'auto')) device = await resolveDevice('cpu')
  if (device.openModel === undefined)
    throw new TensorError(
      'DEVICE',
      `an ONNX model runs through ONNX Runtime, which '${device.name}' (${device.description}) does not use; pass device: 'cpu'`,
    )
  return device
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new TensorError('ABORTED', 'loading the ONNX model was aborted by its signal', { cause: signal.reason })
}

/** Weights in files of their own: each file opened once, checked against what the model says. */
async function readExternal(
  places: readonly ExternalPlace[],
  open: LoadOnnxOptions['openExternal'],
  label: string,
): Promise<{ readonly files: ReadonlyMap<string, Uint8Array>; readonly external: readonly ExternalTensor[] }> {
  const files = new Map<string, Uint8Array>()
  const external: ExternalTensor[] = []
  for (const { name, elementType, dims, location, offset, bytes } of places) {
    let data = files.get(location)
    if (data === undefined) {
      if (open === undefined)
        throw new TensorError('FILE', `${label}: weights lie in ${show(location)}; pass openExternal, or load the model by its path or URL`)
      const source = asSource(await open(location))
      data = await readExactly(source, 0, source.size)
      await source.dispose?.()
      files.set(location, data)
    }
    if (offset + bytes > data.byteLength)
      throw new TensorError(
        'FILE',
        `${label}: weight ${show(name)} lies at ${offset} to ${offset + bytes} of ${show(location)}, which has ${data.byteLength} bytes`,
      )
    external.push({ name, elementType, dims, bytes: data.subarray(offset, offset + bytes) })
  }
  return { files, external }
}

function model(
  { inputs, outputs, opsets, metadata }: ReturnType<typeof describeOnnx>,
  session: WholeModelSession,
  device: Device,
): OnnxModel {
  const known = new Map(inputs.map((input) => [input.name, input]))
  const names = (values: readonly OnnxValue[]): string => values.map(({ name }) => show(name)).join(', ')
  let [gone, pending] = [false, 0]
  const dispose = (): void => {
    gone = true
    if (pending === 0) session.dispose()
  }
  return {
    inputs,
    outputs,
    opsets,
    metadata,
    device,
    async run(feeds, options = {}) {
      const wanted = options.outputs ?? outputs.map(({ name }) => name)
      const unknown = wanted.find((name) => !outputs.some((output) => output.name === name))
      if (unknown !== undefined || wanted.length === 0)
        throw new TensorError('VALUE', `run: there is no output ${show(unknown ?? '')}; the model has ${names(outputs)}`)
      const extra = Object.keys(feeds).find((name) => !known.has(name))
      if (extra !== undefined) throw new TensorError('VALUE', `run: there is no input ${show(extra)}; the model has ${names(inputs)}`)
      if (gone) throw new TensorError('DISPOSED', 'run: this ONNX model was disposed')
      for (const input of inputs)
        if (feeds[input.name] === undefined)
          throw new TensorError('VALUE', `run: input ${show(input.name)} is missing; the model has ${names(inputs)}`)
      const dims = new Map<string, number>()
      for (const input of inputs) checkInput(input, feeds[input.name]!, dims)
      pending++
      try {
        const raw = new Map<string, RawTensor>()
        for (const input of inputs) raw.set(input.name, await rawOf(input, feeds[input.name]!))
        const results = await session.run(raw, wanted, options.signal)
        return Object.fromEntries(Array.from(results, ([name, result]) => [name, tensorOf(name, result)]))
      } finally {
        if (--pending === 0 && gone) session.dispose()
      }
    },
    dispose,
    [Symbol.dispose]: dispose,
  }
}

/** Fixed dimensions are as the model says, and those of one name agree. */
function checkInput({ name, dtype, shape }: OnnxValue, given: Tensor, dims: Map<string, number>): void {
  const allowed = givenAs[dtype]
  if (!allowed.includes(given.dtype))
    throw new TensorError('DTYPE', `run: input ${show(name)} is ${dtype}, given as ${allowed.join(' or ')}; got ${given.dtype}. Cast it`)
  const found = given.shape as readonly number[]
  const fits =
    shape === undefined ||
    (shape.length === found.length &&
      shape.every((dim, i) => {
        if (dim === '?') return true
        if (typeof dim === 'number') return dim === found[i]
        const before = dims.get(dim)
        dims.set(dim, before ?? found[i]!)
        return before === undefined || before === found[i]
      }))
  if (fits) return
  const fixed = [...dims].map(([dim, value]) => `${dim} = ${value}`).join(', ')
  throw new TensorError(
    'SHAPE',
    `run: input ${show(name)} is [${shape!.join(', ')}], got [${found.join(', ')}]${fixed === '' ? '' : ` where ${fixed}`}`,
  )
}

/** Which dtype of ours stands for one of ONNX's. */
const givenAs: Readonly<Record<OnnxDType, readonly DType[]>> = {
  f32: ['f32'],
  f16: ['f16'],
  bf16: ['bf16'],
  f64: ['f32', 'f64'],
  i8: ['i8'],
  u8: ['u8'],
  i16: ['i32', 'u32'],
  u16: ['i32', 'u32'],
  i32: ['i32'],
  u32: ['u32'],
  i64: ['i32', 'u32'],
  u64: ['i32', 'u32'],
  bool: ['bool'],
}

const elementTypes = new Map([...onnxDTypes].map(([elementType, dtype]) => [dtype, elementType]))

async function rawOf({ name, dtype }: OnnxValue, given: Tensor): Promise<RawTensor> {
  const bytes = await given.bytes()
  const common = { elementType: elementTypes.get(dtype)!, dims: given.shape as readonly number[] }
  return { ...common, bytes: given.dtype === dtype ? bytes : converted(name, dtype, given.dtype, bytes) }
}

/** Numbers in the type that the model wants. */
function converted(name: string, dtype: OnnxDType, from: DType, bytes: Uint8Array): Uint8Array {
  const own = bytes.slice()
  const count = own.byteLength / byteSize(from)
  const values =
    from === 'f32'
      ? new Float32Array(own.buffer, 0, count)
      : from === 'i32'
        ? new Int32Array(own.buffer, 0, count)
        : new Uint32Array(own.buffer, 0, count)
  const within = (low: number, high: number): void => {
    const wrong = values.findIndex((value) => value < low || value > high)
    if (wrong >= 0)
      throw new TensorError('VALUE', `run: input ${show(name)} is ${dtype}, which does not hold ${values[wrong]!} (element ${wrong})`)
  }
  switch (dtype) {
    case 'f64':
      return new Uint8Array(Float64Array.from(values).buffer)
    case 'i64':
      return new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    case 'u64':
      within(0, 2 ** 32)
      return new Uint8Array(BigUint64Array.from(values, BigInt).buffer)
    case 'i16':
      within(-(2 ** 15), 2 ** 15 - 1)
      return new Uint8Array(Int16Array.from(values).buffer)
    case 'u16':
      within(0, 2 ** 16 - 1)
      return new Uint8Array(Uint16Array.from(values).buffer)
    default:
      throw new TensorError('DTYPE', `run: ${from} cannot be given as ${dtype}`)
  }
}

/** safetensors' name of an element type, by which stored tensors are converted. */
const storedNames: Readonly<Record<OnnxDType, string>> = {
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  f64: 'F64',
  i8: 'I8',
  u8: 'U8',
  i16: 'I16',
  u16: 'U16',
  i32: 'I32',
  u32: 'U32',
  i64: 'I64',
  u64: 'U64',
  bool: 'BOOL',
}

function tensorOf(name: string, { elementType, dims, bytes }: RawTensor): Tensor {
  const { dtype, shape, bytes: own } = loadStored(`output ${show(name)}`, storedNames[onnxDTypes.get(elementType)!], dims, bytes)
  return fromBytes(own, { dtype, shape, adopt: true })
}
