/** What an ONNX file says of itself, read without its weights and checked before any runtime sees it. */
import { TensorError } from '../errors.js'
import { show } from '../io/json.js'
import { decodeMessage } from '../device/onnx/proto/codec.js'
import type { GraphProto, TensorProto, ValueInfoProto } from '../device/onnx/proto/schema.js'
import { elementBytes } from '../device/onnx/whole-model.js'

/** Types of ONNX's tensors that can be given or taken; i64, u64, i16 and u16 come and go as i32 or u32, f64 as f32. */
export type OnnxDType = 'f32' | 'f16' | 'bf16' | 'f64' | 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'bool'

export const onnxDTypes: ReadonlyMap<number, OnnxDType> = new Map([
  [1, 'f32'],
  [2, 'u8'],
  [3, 'i8'],
  [4, 'u16'],
  [5, 'i16'],
  [6, 'i32'],
  [7, 'i64'],
  [9, 'bool'],
  [10, 'f16'],
  [11, 'f64'],
  [12, 'u32'],
  [13, 'u64'],
  [16, 'bf16'],
])

/** An input or output of a model. */
export interface OnnxValue {
  readonly name: string
  readonly dtype: OnnxDType
  /** Numbers, names of dimensions that a call fixes, and '?' where the file says nothing. Undefined where even the rank is not said. */
  readonly shape: readonly (number | string)[] | undefined
}

/** A weight that lies in a file beside the model. */
export interface ExternalPlace {
  readonly name: string
  readonly elementType: number
  readonly dims: readonly number[]
  /** Path relative to the model's folder. */
  readonly location: string
  readonly offset: number
  readonly bytes: number
}

export interface OnnxDescription {
  /** What a call must give. */
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly external: readonly ExternalPlace[]
  /** Version of each set of operators, by domain; '' is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>
  readonly metadata: Readonly<Record<string, string>>
}

/** A protobuf ends below 2 GiB; larger models have their weights outside. */
export const largestProtobuf = 2 ** 31 - 1

const weights = ['rawData', 'floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data', 'stringData', 'docString']
const skipped: ReadonlySet<string> = new Set(weights.map((name) => `TensorProto.${name}`))

/** @throws TensorError FILE for what is no model, or asks for files outside its folder; DTYPE for inputs and outputs that are no tensors */
export function describeOnnx(bytes: Uint8Array, label: string): OnnxDescription {
  const fail = (message: string): TensorError => new TensorError('FILE', `${label}: ${message}`)
  if (bytes.byteLength > largestProtobuf) throw fail(`${bytes.byteLength} bytes are more than an ONNX file can have (2 GiB)`)
  const model = ((): ReturnType<typeof decodeMessage<'ModelProto'>> => {
    try {
      return decodeMessage('ModelProto', bytes, skipped)
    } catch (cause) {
      throw new TensorError('FILE', `${label}: not an ONNX model: ${(cause as Error).message}`, { cause })
    }
  })()
  const { graph } = model
  if (graph === undefined || (model.opsetImport ?? []).length === 0)
    throw fail('not an ONNX model: it has no graph, or names no set of operators')
  const initialized = new Set((graph.initializer ?? []).map(({ name }) => name))
  // Old files list their weights among the inputs.
  const inputs = (graph.input ?? []).filter(({ name }) => !initialized.has(name)).map((info) => valueOf(info, 'input', label))
  const outputs = (graph.output ?? []).map((info) => valueOf(info, 'output', label))
  if (outputs.length === 0) throw fail('the model has no outputs')
  for (const [what, values] of Object.entries({ inputs, outputs }))
    if (new Set(values.map(({ name }) => name)).size !== values.length) throw fail(`two ${what} have the same name`)
  for (const inner of innerGraphs(graph, label))
    if ((inner.initializer ?? []).some(isExternal))
      throw fail('weights of a graph inside another lie in a file of their own, which is not read')
  return {
    inputs,
    outputs,
    external: (graph.initializer ?? []).filter(isExternal).map((tensor) => placeOf(tensor, label)),
    opsets: Object.fromEntries((model.opsetImport ?? []).map(({ domain = '', version = 0 }) => [domain, version])),
    metadata: Object.fromEntries((model.metadataProps ?? []).map(({ key = '', value = '' }) => [key, value])),
  }
}

function valueOf({ name = '', type }: ValueInfoProto, what: string, label: string): OnnxValue {
  const tensor = type?.tensorType
  const dtype = onnxDTypes.get(tensor?.elemType ?? 0)
  if (tensor === undefined || dtype === undefined)
    throw new TensorError(
      'DTYPE',
      `${label}: ${what} ${show(name)} is ${tensor === undefined ? 'no tensor (a sequence, a map or an optional)' : `a tensor of ONNX's type ${tensor.elemType ?? 0}`}; expected a tensor of ${[...onnxDTypes.values()].join(', ')}`,
    )
  const shape = tensor.shape?.dim ?? (tensor.shape === undefined ? undefined : [])
  return {
    name,
    dtype,
    shape: shape?.map(({ dimValue, dimParam }) => {
      if (dimParam !== undefined && dimParam !== '') return dimParam
      if (dimValue === undefined) return '?'
      if (!Number.isSafeInteger(dimValue)) throw new TensorError('FILE', `${label}: ${what} ${show(name)} has a dimension of ${dimValue}`)
      return dimValue < 0 ? '?' : dimValue
    }),
  }
}

function* innerGraphs(graph: GraphProto, label: string, depth = 0): Generator<GraphProto> {
  if (depth > 64) throw new TensorError('FILE', `${label}: graphs lie in each other more than 64 deep`)
  for (const { attribute = [] } of graph.node ?? [])
    for (const { g, graphs = [] } of attribute)
      for (const inner of g === undefined ? graphs : [g, ...graphs]) {
        yield inner
        yield* innerGraphs(inner, label, depth + 1)
      }
}

const EXTERNAL = 1
const isExternal = ({ dataLocation }: TensorProto): boolean => dataLocation === EXTERNAL

function placeOf({ name = '', dataType = 0, dims = [], externalData = [] }: TensorProto, label: string): ExternalPlace {
  const fail = (message: string): TensorError => new TensorError('FILE', `${label}: weight ${show(name)}: ${message}`)
  const size = elementBytes.get(dataType)
  if (size === undefined) throw fail(`its type is ONNX's ${dataType}, which is not read from a file of its own`)
  if (dims.length > 64 || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) throw fail('its shape is none')
  const bytes = dims.reduce((a, b) => a * b, size)
  const entry = (key: string): string | undefined => externalData.find((one) => one.key === key)?.value
  const number = (key: string, fallback: number): number => {
    const text = entry(key)
    if (text === undefined) return fallback
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
    if (!Number.isSafeInteger(value)) throw fail(`its ${key} is ${show(text)}; expected a number of bytes`)
    return value
  }
  const location = entry('location') ?? ''
  // A stranger's model may name files beside it, and no others.
  if (location === '' || /^([/\\]|[a-z][a-z0-9+.-]*:)|\0/i.test(location) || location.split(/[/\\]/).includes('..'))
    throw fail(`its data lies at ${show(location)}; expected a path inside the model's folder`)
  const offset = number('offset', 0)
  const length = number('length', bytes)
  if (!Number.isSafeInteger(bytes) || length !== bytes) throw fail(`its data has ${length} bytes; its shape takes ${bytes}`)
  return { name, elementType: dataType, dims, location, offset, bytes }
}
