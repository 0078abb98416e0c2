/** Checks of emitted graphs against the reference, for tests. */
import { afterAll, beforeAll, expect } from 'vitest'
import type { Program } from '../../../../compile/program.js'
import type { DType } from '../../../../dtype.js'
import type { Value } from '../../../../graph/node.js'
import type { SymValues } from '../../../../shape.js'
import { given } from '../../../../testing/evaluate.js'
import { numbers } from '../../../../testing/samples.js'
import type { OnnxDevice } from '../../node/device.js'
import { decodeMessage } from '../../proto/codec.js'
import { emitModel } from '../emit.js'
import { expectedOf, normalisedError, openDevice, programOf, runProgram } from './run.js'

const random = numbers(5)
/** Random numbers from −1 to 1. */
export const tensor = (shape: readonly number[], dtype: DType = 'f32'): Value =>
  given(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
    shape,
    dtype,
  )
export const nodesOf = (program: Program) =>
  decodeMessage('ModelProto', emitModel(program, { initializers: true, target: 'node' }).bytes).graph!.node ?? []
export const countOf = (program: Program, opType: string): number => nodesOf(program).filter((node) => node.opType === opType).length

/** A device for the tests of a file. */
export function deviceForTests(): () => OnnxDevice {
  let device: OnnxDevice
  beforeAll(async () => {
    device = await openDevice()
  })
  afterAll(() => device.dispose())
  return () => device
}

/** Runs a graph on the device and compares with the reference. */
export async function checkOn(
  device: OnnxDevice,
  outputs: readonly Value[],
  options: { symbols?: SymValues; aliases?: readonly (Value | undefined)[]; limit?: number } = {},
): Promise<void> {
  const expected = expectedOf(outputs, options.symbols)
  const actual = await runProgram(device, programOf(outputs, options), options.symbols)
  outputs.forEach((output, i) =>
    expect(
      normalisedError(actual[i]!, expected[i]!),
      `output ${i}, ${output.node.op}: ${[...actual[i]!].slice(0, 8)} for ${[...expected[i]!].slice(0, 8)}`,
    ).toBeLessThanOrEqual(options.limit ?? 1e-9),
  )
}
