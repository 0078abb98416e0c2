import { readFileSync, readdirSync } from 'node:fs'
import { cpuRoutes } from '#cpu'
import { afterAll, describe, expect, test } from 'vitest'
import { referenceDevice } from '../device/reference/device.js'
import { openCpu } from '../device/registry.js'
import { allOps, opTable } from '../ops/table.js'
import { checkGolden, parseGoldens } from './goldens.js'

// Made by PyTorch with tools/goldens/ops.py.
const folder = new URL('../__fixtures__/goldens/', import.meta.url)
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, goldens: parseGoldens(readFileSync(new URL(file, folder), 'utf8')) }))
const all = files.flatMap(({ goldens }) => goldens)

// Of its own, so that what is left on it at the end is this file's.
const cpu = await openCpu(cpuRoutes, {})
afterAll(() => cpu.dispose())
/** ONNX Runtime's tanh and erf are approximations to a few units in the last place, which 1 − y² enlarges. */
const runtime = { tolerance: { f32: 1e-5 } }

/** Operations without a golden, and why. */
const exceptions: Readonly<Record<string, string>> = {
  input: 'holds a value, computes nothing',
  const: 'holds a value, computes nothing',
  identity: 'computes nothing',
  stopGradient: 'computes nothing',
  barrier: 'computes nothing',
  checkpoint: 'a region of other operations; grad.test.ts compares it with the region itself',
  symScalar: 'the value of a symbol of this package',
  randomBits: 'Philox is checked against the published known answers',
}

/** Cannot run in f64: types that are fixed (dtype attributes, f32 learning rates), statistics given rounded to f32. */
const singleOnly = new Set(['cast', 'bitcast', 'iota', 'adamwStep', 'rmsNormGrad', 'attentionGrad'])

describe('every operation', () => {
  test.each(allOps.map(({ name }) => name))('%s has a golden or a reason', (name) => {
    const has = all.some(({ op }) => op === name)
    expect(has || name in exceptions, `write a golden of ${name} in tools/goldens`).toBe(true)
    expect(has && name in exceptions, `${name} has a golden, drop the exception`).toBe(false)
  })
  test('is in the table', () => {
    expect([...all.map(({ op }) => op), ...Object.keys(exceptions)].filter((op) => !opTable.has(op))).toEqual([])
  })
  test('that has a derivative has a golden of it', () => {
    const covered = new Set(all.filter(({ grads }) => grads !== undefined).map(({ op }) => op))
    const missing = allOps.filter(({ name, vjp }) => vjp !== undefined && !(name in exceptions) && !covered.has(name))
    expect(missing.map(({ name }) => name)).toEqual([])
  })
})

describe.each(files)('$file', ({ goldens }) => {
  const device = referenceDevice()
  test('titles are unique', () => {
    expect(new Set(goldens.map(({ title }) => title)).size).toBe(goldens.length)
  })
  for (const golden of goldens) {
    const { title } = golden
    test(title, async () => {
      expect(await checkGolden(golden, device)).toEqual([])
    })
    test(`${title}, on cpu`, async () => {
      expect(await checkGolden(golden, cpu, runtime)).toEqual([])
    })
    const halves = golden.inputs.some(({ dtype }) => dtype === 'f16' || dtype === 'bf16')
    const floats = golden.inputs.some(({ dtype }) => dtype === 'f32')
    if (floats && !halves && !golden.single && !singleOnly.has(golden.op))
      test(`${title}, in f64`, async () => {
        expect(await checkGolden(golden, device, { double: true })).toEqual([])
      })
    if (opTable.get(golden.op)?.decompose !== undefined)
      test.each([device, cpu])(`${title}, decomposed, on $name`, async (target) => {
        expect(await checkGolden(golden, target, { decomposeAll: true, ...(target === cpu ? runtime : {}) })).toEqual([])
      })
  }
  test('nothing is left on the device', () => {
    expect([device.memory().liveBuffers, cpu.memory().liveBuffers]).toEqual([0, 0])
  })
})
