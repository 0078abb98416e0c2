/** Runs graphs through an emitted model on ONNX Runtime's C API, and the same graphs on the reference interpreter. */
import type { Program } from '../../../../compile/program.js'
import { decodeStorage, encodeStorage, type NumericArray } from '../../../../dtype.js'
import { dtypeOf, shapeOf, typeOf, type Value } from '../../../../graph/node.js'
import { topological } from '../../../../graph/walk.js'
import { lower } from '../../../../compile/lower.js'
import { dataOf } from '../../../../testing/evaluate.js'
import { isSym, resolveShape, type Shape, type Sym, type SymValues } from '../../../../shape.js'
import { interpret } from '../../../reference/interpret.js'
import { openOnnxDevice, type OnnxDevice } from '../../node/device.js'
import { emitModel, supportsNatively } from '../emit.js'

export const openDevice = (): Promise<OnnxDevice> => openOnnxDevice({ emitModel, supportsNatively }, { threads: 2 })

export interface ProgramOptions {
  /** Inputs that outputs are written into, by output. */
  readonly aliases?: readonly (Value | undefined)[]
  readonly symbols?: SymValues
}

/** The graph as a program, without lowering. */
export function programOf(outputs: readonly Value[], options: ProgramOptions = {}): Program {
  const all = topological(outputs)
  const inputs = all.filter((node) => node.op === 'input').map((node): Value => ({ node, index: 0 }))
  const symbols = new Set<Sym>(options.symbols?.keys())
  for (const node of all) for (const { shape } of node.outputs) shape.filter(isSym).forEach((dim) => symbols.add(dim))
  return {
    key: 'test',
    nodes: all.filter((node) => node.op !== 'input'),
    inputs: inputs.map((value) => ({ ...typeOf(value), role: 'input', value })),
    outputs: outputs.map((value, i) => {
      const alias = options.aliases?.[i]
      return { ...typeOf(value), value, ...(alias === undefined ? {} : { alias: inputs.findIndex(({ node }) => node === alias.node) }) }
    }),
    symbols: [...symbols],
    keepsDuplicates: false,
  }
}

const bytesOf = (value: Value, symbols: SymValues): number => Math.max(1, encodeStorage(dtypeOf(value), new Float32Array(resolveShape(shapeOf(value) as Shape, symbols).reduce((a, b) => a * b, 1))).byteLength)

/** Values of a program's outputs on the device. Aliased outputs share their input's buffer. */
export async function runProgram(device: OnnxDevice, program: Program, symbols: SymValues = new Map()): Promise<NumericArray[]> {
  const executable = await device.compile(program)
  const inputs = program.inputs.map(({ value }) => {
    const bytes = encodeStorage(dtypeOf(value), dataOf(value))
    const buffer = device.alloc(Math.max(1, bytes.byteLength))
    if (bytes.byteLength > 0) device.write(buffer, bytes)
    return buffer
  })
  const outputs = program.outputs.map(({ value, alias }) => {
    if (alias !== undefined) return inputs[alias]!
    const buffer = device.alloc(bytesOf(value, symbols))
    // Poison: what the program does not write must not look right by chance.
    device.write(buffer, new Uint8Array(buffer.bytes).fill(0xa5))
    return buffer
  })
  await device.run(executable, inputs, outputs, symbols)
  const results: NumericArray[] = []
  for (const [i, { value, dtype }] of program.outputs.entries()) {
    const count = resolveShape(shapeOf(value), symbols).reduce((a, b) => a * b, 1)
    results.push(decodeStorage(dtype, await device.read(outputs[i]!)).subarray(0, count))
  }
  for (const buffer of new Set([...inputs, ...outputs])) device.free(buffer)
  executable.dispose()
  return results
}

/** The same outputs by the rows' references, composites without one decomposed. */
export function expectedOf(outputs: readonly Value[], symbols: SymValues = new Map()): NumericArray[] {
  const { outputs: lowered, leaves } = lower(outputs, { name: 'reference', supports: (op) => op === 'const' || hasReference(op) })
  const program = programOf(lowered, { symbols })
  return interpret(program, program.inputs.map(({ value }) => dataOf({ node: leaves.get(value.node)!, index: 0 }).slice()), symbols)
}

import { rowOf } from '../../../../graph/build.js'
const hasReference = (op: string): boolean => rowOf(op).reference !== undefined

/** Normalised mean squared error; equal NaNs and infinities count as equal, others as infinitely wrong. */
export function normalisedError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let error = 0
  let power = 0
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!
    const b = expected[i]!
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity
    error += (a - b) ** 2
  }
  for (let i = 0; i < expected.length; i++) if (Number.isFinite(expected[i]!)) power += expected[i]! ** 2
  return error === 0 ? 0 : error / Math.max(power, 1e-30)
}
