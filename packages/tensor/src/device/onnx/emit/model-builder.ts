/**
 * Collects nodes, constants and inputs of one ONNX graph and writes the ModelProto. Knows nothing of our operations.
 * A value in the graph is its name.
 */
import { toBfloatBits, toHalfBits } from '../../../dtype.js'
import { isSym, type Dim, type Shape, type Sym } from '../../../shape.js'
import { encodeMessage } from '../proto/codec.js'
import {
  attributeProtoAttributeType,
  tensorProtoDataLocation,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../proto/schema.js'
import { BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16, INT32, INT64, INT8, UINT32, UINT64, UINT8, type OnnxType } from './onnx-type.js'

/** The name of a value in the graph. */
export type Name = string

/** An attribute that is written as a float even when it is a whole number. */
export interface FloatAttribute {
  readonly float: number
}
export const float = (value: number): FloatAttribute => ({ float: value })

/** Numbers are integers unless wrapped by {@link float}; undefined ones are left out. */
export type NodeAttribute = number | string | FloatAttribute | readonly number[] | undefined

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, NodeAttribute>>
  readonly domain?: string
  /** First version of the operator set that has the op as used; the model asks for the newest that any node needs. */
  readonly since?: number
}

/** The operator set that every supported ONNX Runtime has. */
const BASE_OPSET = 21
/** ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft'

/** A node whose inputs may still be exchanged. */
export interface MutableNode {
  readonly name: string
  readonly opType: string
  readonly domain?: string
  input: readonly Name[]
  readonly output: readonly Name[]
  readonly attribute: readonly AttributeProto[]
}

const utf8 = new TextEncoder()

export class ModelBuilder {
  readonly nodes: MutableNode[] = []
  readonly nodeOps = new Map<string, string>()
  private initializers: TensorProto[] = []
  private readonly inputs: ValueInfoProto[] = []
  private readonly outputs: ValueInfoProto[] = []
  private readonly constants = new Map<string, Name>()
  private readonly symbolNames = new Map<Sym, string>()
  private opset = BASE_OPSET
  private usesMicrosoft = false
  private counter = 0
  private readonly produced = new Set<Name>()
  /** Our op that the nodes made now belong to. */
  currentOp = 'graph'

  /** Adds a node with one output. Inputs of '' are absent ones. */
  node(opType: string, inputs: readonly Name[], options?: NodeOptions): Name {
    return this.nodeWith(opType, inputs, [true], options)[0]!
  }

  /** Adds a node; outputs that are not wanted get no name. */
  nodeWith(opType: string, inputs: readonly Name[], wanted: readonly boolean[], options: NodeOptions = {}): Name[] {
    const name = `${this.currentOp}_${this.counter++}`
    const all = wanted.map((want, i) => (want ? (i === 0 ? name : `${name}.${i}`) : ''))
    const attribute = Object.entries(options.attributes ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [attributeOf(key, value)],
    )
    this.nodes.push({
      name,
      opType,
      ...(options.domain === undefined ? {} : { domain: options.domain }),
      input: trimmed(inputs),
      output: trimmed(all),
      attribute,
    })
    this.nodeOps.set(name, this.currentOp)
    for (const output of all) this.produced.add(output)
    if (options.domain === MICROSOFT) this.usesMicrosoft = true
    this.opset = Math.max(this.opset, options.since ?? BASE_OPSET)
    return all
  }

  /** Whether a name is a node's output, rather than an input or a constant. */
  isProduced(name: Name): boolean {
    return this.produced.has(name)
  }

  /** A constant tensor; equal ones are shared. Values of half types are rounded; integers must fit. */
  constant(values: readonly number[], dims: readonly number[], type: OnnxType): Name {
    const key = `${type}|${dims.join()}|${values.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join()}`
    const known = this.constants.get(key)
    if (known !== undefined) return known
    const name = `constant_${this.constants.size}`
    this.initializers.push({ name, dataType: type, dims: [...dims], ...tensorData(values, type) })
    this.constants.set(key, name)
    return name
  }

  scalar(value: number, type: OnnxType): Name {
    return this.constant([value], [], type)
  }

  /** An int64 vector. */
  ints(values: readonly number[]): Name {
    return this.constant(values, [values.length], INT64)
  }

  input(name: Name, type: OnnxType, shape: Shape): void {
    this.inputs.push(this.valueInfo(name, type, shape))
  }

  output(name: Name, type: OnnxType, shape: Shape): void {
    this.outputs.push(this.valueInfo(name, type, shape))
  }

  /** A constant whose bytes the runtime supplies. */
  externalInitializer(name: Name, type: OnnxType, dims: readonly number[], bytes: number): void {
    const externalData = [
      { key: 'location', value: 'weights' },
      { key: 'offset', value: '0' },
      { key: 'length', value: String(bytes) },
    ]
    this.initializers.push({ name, dataType: type, dims: [...dims], dataLocation: tensorProtoDataLocation.EXTERNAL, externalData })
  }

  /** A name for a symbol, different for different symbols. */
  symbolName(symbol: Sym): string {
    let name = this.symbolNames.get(symbol)
    if (name === undefined) {
      const taken = new Set(this.symbolNames.values())
      name = symbol.name
      for (let i = 2; taken.has(name); i++) name = `${symbol.name}#${i}`
      this.symbolNames.set(symbol, name)
    }
    return name
  }

  /** Puts nodes in topological order again after inputs were exchanged; otherwise their order stays. */
  sortNodes(): void {
    const producer = new Map(this.nodes.flatMap((node) => node.output.map((name) => [name, node] as const)))
    const done = new Set<MutableNode>()
    const sorted: MutableNode[] = []
    for (const node of this.nodes) {
      const stack = [node]
      while (stack.length > 0) {
        const top = stack.at(-1)!
        const missing = top.input.map((name) => producer.get(name)).filter((from) => from !== undefined && !done.has(from)) as MutableNode[]
        if (missing.length > 0 && !done.has(top)) stack.push(...missing)
        else {
          stack.pop()
          if (!done.has(top)) sorted.push(top)
          done.add(top)
        }
      }
    }
    this.nodes.splice(0, this.nodes.length, ...sorted)
  }

  /** Names of the constants that there are. */
  initializerNames(): ReadonlySet<Name> {
    return new Set(this.initializers.map(({ name }) => name!))
  }

  /** Drops nodes whose results nothing needs: what an emitter found a shorter way round. And constants that none of the others reads. */
  removeUnused(): void {
    const needed = new Set<Name>(this.outputs.map(({ name }) => name!))
    const kept: MutableNode[] = []
    for (const node of this.nodes.toReversed()) {
      if (!node.output.some((name) => needed.has(name))) {
        this.nodeOps.delete(node.name)
        continue
      }
      kept.push(node)
      for (const name of node.input) needed.add(name)
    }
    this.nodes.splice(0, this.nodes.length, ...kept.reverse())
    this.initializers = this.initializers.filter(({ name }) => needed.has(name!))
  }

  /** The model as bytes. */
  finish(): Uint8Array {
    return encodeMessage('ModelProto', {
      irVersion: 10, // the newest that ONNX Runtime 1.20 reads
      producerName: 'tesserae',
      opsetImport: [{ domain: '', version: this.opset }, ...(this.usesMicrosoft ? [{ domain: MICROSOFT, version: 1 }] : [])],
      graph: {
        name: 'program',
        node: this.nodes as readonly NodeProto[],
        input: this.inputs,
        output: this.outputs,
        initializer: this.initializers,
      },
    })
  }

  private valueInfo(name: Name, elemType: OnnxType, shape: Shape): ValueInfoProto {
    const dim = shape.map((size: Dim) => (isSym(size) ? { dimParam: this.symbolName(size) } : { dimValue: size }))
    return { name, type: { tensorType: { elemType, shape: { dim } } } }
  }
}

/** Absent values at the end are left out, not written as ''. */
function trimmed(names: readonly Name[]): readonly Name[] {
  let end = names.length
  while (end > 0 && names[end - 1] === '') end--
  return names.slice(0, end)
}

function attributeOf(name: string, value: Exclude<NodeAttribute, undefined>): AttributeProto {
  const { INT, INTS, FLOAT: FLOAT_ATTRIBUTE, STRING } = attributeProtoAttributeType
  if (typeof value === 'number') return { name, type: INT, i: value }
  if (typeof value === 'string') return { name, type: STRING, s: utf8.encode(value) }
  if ('float' in value) return { name, type: FLOAT_ATTRIBUTE, f: value.float }
  return { name, type: INTS, ints: value }
}

function tensorData(values: readonly number[], type: OnnxType): Partial<TensorProto> {
  // Long vectors as raw little-endian bytes: a tenth of the time to write and read.
  if (values.length > 64 && (type === INT64 || type === FLOAT || type === INT32)) {
    const array = type === INT64 ? BigInt64Array.from(values, BigInt) : type === FLOAT ? Float32Array.from(values) : Int32Array.from(values)
    return { rawData: new Uint8Array(array.buffer) }
  }
  switch (type) {
    case FLOAT:
      return { floatData: values }
    case DOUBLE:
      return { doubleData: values }
    case INT64:
      return { int64Data: values }
    case UINT32:
    case UINT64:
      return { uint64Data: values }
    case FLOAT16:
      return { int32Data: values.map(toHalfBits) }
    case BFLOAT16:
      return { int32Data: values.map(toBfloatBits) }
    case INT32:
    case INT8:
    case UINT8:
    case BOOL:
    default:
      return { int32Data: values }
  }
}
