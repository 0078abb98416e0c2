/** Models written by hand, so that the runtimes are tested apart from the emitter. */
import type { Program, ProgramInput, ProgramOutput } from '../../../compile/program.js'
import { byteSize, type DType } from '../../../dtype.js'
import { makeNode } from '../../../graph/build.js'
import type { TensorType } from '../../../graph/node.js'
import { elementCount, isSym, type Shape, type Sym } from '../../../shape.js'
import type { DeviceBuffer } from '../../device.js'
import { elementTypeOf, int64ElementType } from '../element-type.js'
import type { EmittedModel } from '../emit/emit.js'
import { encodeMessage } from '../proto/codec.js'

export interface HandmadeInput {
  readonly name: string
  readonly shape: Shape
  readonly dtype?: DType
  /** Makes the input a frozen initializer over this buffer. */
  readonly frozen?: DeviceBuffer
  /** The graph does not use it. */
  readonly unused?: boolean
}

export interface HandmadeNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly ints?: Readonly<Record<string, number>>
  readonly floats?: Readonly<Record<string, number>>
  readonly domain?: string
  readonly name?: string
}

export interface Handmade {
  readonly inputs: readonly HandmadeInput[]
  readonly outputs: readonly { readonly name: string; readonly shape: Shape; readonly dtype?: DType; readonly alias?: number }[]
  readonly nodes: readonly HandmadeNode[]
  /** Graph input name of each symbol given as an int64 tensor of shape [1]. */
  readonly symbolInputs?: Readonly<Record<string, Sym>>
  readonly keepsDuplicates?: boolean
}

const info = (name: string, shape: Shape, elementType: number): object => ({
  name,
  type: {
    tensorType: { elemType: elementType, shape: { dim: shape.map((dim) => (isSym(dim) ? { dimParam: dim.name } : { dimValue: dim })) } },
  },
})

export function handmade(spec: Handmade): { readonly program: Program; readonly model: EmittedModel } {
  const placeholder = (type: TensorType) => ({ node: makeNode('input', [], {}, [type]), index: 0 })
  const inputs = spec.inputs.map(({ shape, dtype = 'f32', frozen }): ProgramInput => {
    const type = { shape, dtype }
    return frozen === undefined
      ? { ...type, role: 'input', value: placeholder(type) }
      : { ...type, role: 'frozen', frozen, value: placeholder(type) }
  })
  const outputs = spec.outputs.map(({ shape, dtype = 'f32', alias }): ProgramOutput => {
    const type = { shape, dtype }
    return alias === undefined ? { ...type, value: placeholder(type) } : { ...type, value: placeholder(type), alias }
  })
  const symbols = [
    ...new Set([
      ...Object.values(spec.symbolInputs ?? {}),
      ...[...spec.inputs, ...spec.outputs].flatMap(({ shape }) => shape.filter(isSym)),
    ]),
  ]
  const program: Program = { key: '', nodes: [], inputs, outputs, symbols, keepsDuplicates: spec.keepsDuplicates ?? false }
  const plain = spec.inputs.filter(({ frozen, unused }) => frozen === undefined && unused !== true)
  const weights = spec.inputs.map((input, index) => ({ ...input, index })).filter(({ frozen }) => frozen !== undefined)
  const symbolInputs = Object.entries(spec.symbolInputs ?? {}).map(([name, symbol]) => ({ name, symbol }))
  const bytes = encodeMessage('ModelProto', {
    irVersion: 8,
    opsetImport: [
      { domain: '', version: 17 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'handmade',
      node: spec.nodes.map(({ op, inputs: from, outputs: to, ints = {}, floats = {}, domain = '', name = '' }) => ({
        opType: op,
        input: from,
        output: to,
        domain,
        name,
        attribute: [
          ...Object.entries(ints).map(([key, i]) => ({ name: key, i, type: 2 })),
          ...Object.entries(floats).map(([key, f]) => ({ name: key, f, type: 1 })),
        ],
      })),
      initializer: weights.map(({ name, shape, dtype = 'f32' }) => ({
        name,
        dims: shape as readonly number[],
        dataType: elementTypeOf(dtype),
        dataLocation: 1,
        externalData: [{ key: 'location', value: name }],
      })),
      input: [
        ...plain.map(({ name, shape, dtype = 'f32' }) => info(name, shape, elementTypeOf(dtype))),
        ...symbolInputs.map(({ name }) => info(name, [1], int64ElementType)),
      ],
      output: spec.outputs.map(({ name, shape, dtype = 'f32' }) => info(name, shape, elementTypeOf(dtype))),
    },
  })
  const model: EmittedModel = {
    bytes,
    inputNames: spec.inputs.map(({ name, frozen, unused }) => (frozen !== undefined || unused === true ? undefined : name)),
    outputNames: spec.outputs.map(({ name }) => name),
    symbolInputs,
    initializers: weights.map(({ name, index, shape, dtype = 'f32' }) => ({
      name,
      input: index,
      offset: 0,
      bytes: elementCount(shape) * byteSize(dtype),
      shape: shape as readonly number[],
    })),
    nodeOps: new Map(spec.nodes.filter(({ name }) => name !== undefined).map(({ name, op }) => [name!, op.toLowerCase()])),
  }
  return { program, model }
}
