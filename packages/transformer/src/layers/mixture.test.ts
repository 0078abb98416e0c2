import { random } from '@tesserae/core'
import { quantizeMatrix, resolveDevice, tensor, jit, dequantize, type Device, type Tensor } from '@tesserae/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import type { MixtureConfig } from '../architectures/config.js'
import { packedOf } from '../checkpoints/matrix.js'
import { mixture, type MixtureWeights } from './mixture.js'
import { quantizedWeight, type Matrix, type PackedMatrix } from './packed.js'

const [experts, width, hidden] = [6, 64, 32]
const cpu = await resolveDevice('cpu')
afterAll(() => cpu.dispose())

type Numbers = Float32Array

const noise = (site: string, length: number, scale = 1): Numbers => {
  const stream = random(11).stream(site)
  return Float32Array.from({ length }, () => scale * stream.normal())
}

const raw = {
  router: noise('router', experts * width, 0.3),
  up: noise('up', experts * hidden * width, 0.2),
  gate: noise('gate', experts * hidden * width, 0.2),
  down: noise('down', experts * width * hidden, 0.2),
  shared: { up: noise('s.up', 48 * width, 0.2), gate: noise('s.gate', 48 * width, 0.2), down: noise('s.down', width * 48, 0.2) },
  sharedGate: noise('sharedGate', width, 0.3),
}
const shapes = { up: [experts, hidden, width], gate: [experts, hidden, width], down: [experts, width, hidden] }
const parts = ['up', 'gate', 'down'] as const

const weightsOf = (matrix: (part: (typeof parts)[number]) => Matrix, withShared: boolean): MixtureWeights<Tensor, Matrix> => ({
  router: { weight: tensor(raw.router, { shape: [experts, width] }) },
  experts: { up: { weight: matrix('up') }, gate: { weight: matrix('gate') }, down: { weight: matrix('down') } },
  ...(withShared
    ? {
        shared: {
          up: { weight: tensor(raw.shared.up, { shape: [48, width] }) },
          gate: { weight: tensor(raw.shared.gate, { shape: [48, width] }) },
          down: { weight: tensor(raw.shared.down, { shape: [width, 48] }) },
        },
        sharedGate: { weight: tensor(raw.sharedGate, { shape: [1, width] }) },
      }
    : {}),
})
const whole = (part: (typeof parts)[number]): Tensor => tensor(raw[part], { shape: shapes[part] })

/** W · x for W [out, x.length] at a place of a list. */
function times(weights: Numbers, x: readonly number[], out: number, at = 0): number[] {
  return Array.from({ length: out }, (_, row) => x.reduce((sum, value, i) => sum + value * weights[at + row * x.length + i]!, 0))
}
const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value))
const gated = (up: readonly number[], gate: readonly number[]): number[] => up.map((value, i) => value * gate[i]! * sigmoid(gate[i]!))

/** One token by the definition, in double precision. */
function byDefinition(x: readonly number[], config: MixtureConfig, weights: Readonly<Record<(typeof parts)[number], Numbers>>): number[] {
  const scores = times(raw.router, x, experts).map(Math.exp)
  const total = scores.reduce((a, b) => a + b)
  const chosen = scores
    .map((score, expert) => ({ expert, share: score / total }))
    .sort((a, b) => b.share - a.share)
    .slice(0, config.active)
  const sum = config.normalized ? chosen.reduce((all, { share }) => all + share, 0) : 1
  const out = new Array<number>(width).fill(0)
  for (const { expert, share } of chosen) {
    const at = expert * hidden * width
    const inner = gated(times(weights.up, x, hidden, at), times(weights.gate, x, hidden, at))
    times(weights.down, inner, width, at).forEach((value, i) => (out[i]! += (share / sum) * value))
  }
  if (config.sharedHidden === undefined) return out
  const inner = gated(times(raw.shared.up, x, 48), times(raw.shared.gate, x, 48))
  const open = sigmoid(times(raw.sharedGate, x, 1)[0]!)
  return times(raw.shared.down, inner, width).map((value, i) => out[i]! + open * value)
}

const configs: readonly MixtureConfig[] = [
  { experts, active: 2, hidden, normalized: true },
  { experts, active: 3, hidden, normalized: false, sharedHidden: 48 },
]
/** Rows: one that reads its own experts alone, and as many as go through all. */
const sizes = [
  [1, 1],
  [2, 7],
] as const

async function apart(
  weights: MixtureWeights<Tensor, Matrix>,
  config: MixtureConfig,
  [batch, tokens]: readonly [number, number],
  device: Device,
  values: Readonly<Record<(typeof parts)[number], Numbers>> = raw,
): Promise<number> {
  const rows = batch * tokens
  const x = noise(`x${rows}`, rows * width)
  const program = jit((input: Tensor) => mixture(weights, input, { config, activation: 'swiglu' }), { device })
  using out = await program(tensor(x, { shape: [batch, tokens, width] }))
  expect(out.shape).toEqual([batch, tokens, width])
  const found = (await out.data()) as Numbers
  program.dispose()
  const expected = Array.from({ length: rows }, (_, row) => byDefinition([...x.subarray(row * width, (row + 1) * width)], config, values))
  return Math.max(...expected.flat().map((value, i) => Math.abs(value - found[i]!)))
}

describe.each(configs)('a mixture of $experts experts, $active active, normalized: $normalized', (config) => {
  const withShared = config.sharedHidden !== undefined
  it.each(sizes)('gives what the definition gives, %i × %i', async (...size) => {
    expect(await apart(weightsOf(whole, withShared), config, size, cpu)).toBeLessThan(1e-5)
  })

  describe.each(['Q8_0', 'Q4_1'] as const)('of %s', (type) => {
    const packed = (part: (typeof parts)[number]): PackedMatrix => packedOf(quantizeMatrix(type, raw[part], shapes[part]))
    /** What the blocks stand for. */
    const standsFor = async (): Promise<Record<(typeof parts)[number], Numbers>> => {
      const values: Partial<Record<(typeof parts)[number], Numbers>> = {}
      for (const part of parts) {
        const [count, rows, columns] = shapes[part] as [number, number, number]
        const flat = packedOf(quantizeMatrix(type, raw[part], [count * rows, columns]))
        values[part] = (await dequantize(quantizedWeight(flat, columns)).data()) as Numbers
      }
      return values as Record<(typeof parts)[number], Numbers>
    }

    it.each(sizes)('is computed in blocks, %i × %i', async (...size) => {
      // Blocks that are no constants of a program are multiplied in f32.
      expect(await apart(weightsOf(packed, withShared), config, size, cpu, await standsFor())).toBeLessThan(1e-5)
    })

    it.each(sizes)('as constants, whose products round what they are given to 8 bits, %i × %i', async (...size) => {
      const frozen = weightsOf(packed, withShared)
      for (const { weight } of Object.values(frozen.experts))
        for (const part of Object.values(weight as PackedMatrix)) {
          await (part as Tensor).realize({ device: cpu })
          ;(part as Tensor).freeze()
        }
      const off = await apart(frozen, config, size, cpu, await standsFor())
      expect(off).toBeLessThan(0.1)
      expect(off).toBeGreaterThan(1e-5)
    })

    it('has matrices that are in no blocks beside others', async () => {
      const mixed = weightsOf((part) => (part === 'down' ? whole(part) : packed(part)), withShared)
      const values = { ...(await standsFor()), down: raw.down }
      expect(await apart(mixed, config, [1, 1], cpu, values)).toBeLessThan(1e-5)
      expect(await apart(mixed, config, [2, 7], cpu, values)).toBeLessThan(1e-5)
    })
  })
})
