import { resolveDevice, type Device } from '@tesserae/tensor'
import { disposeWeights, namedWeights, type DecoderWeights } from '@tesserae/transformer'
import { beforeAll, describe, expect, it } from 'vitest'
import { conversations, template, tinyConfig, tinyPolicy, tinyTokenizer } from '../__fixtures__/tiny.js'
import { prepareSft } from '../data/prepare.js'
import type { Rendered } from '../data/template.js'
import { evaluateSft, sft, type SftRun } from './sft.js'

let device: Device
let tokenizer: Awaited<ReturnType<typeof tinyTokenizer>>
let data: Rendered[]
beforeAll(async () => {
  device = await resolveDevice('cpu')
  tokenizer = await tinyTokenizer()
  data = prepareSft(conversations, { tokenizer, template, maxLength: 48 })
})

const values = async (weights: DecoderWeights): Promise<number[][]> =>
  Promise.all([...namedWeights(weights).values()].map(async (leaf) => Array.from(await leaf.data())))

async function finish(run: SftRun): Promise<{ losses: number[]; weights: number[][] }> {
  const losses: number[] = []
  for await (const { metrics } of run) losses.push(metrics.loss)
  return { losses, weights: await values(run.weights) }
}

describe('sft', () => {
  it.each(['gpt2', 'llama'] as const)('learns the answers of a conversation: %s', async (kind) => {
    const config = tinyConfig(tokenizer, { kind })
    using run = sft({ policy: tinyPolicy(config), data, epochs: 30, rows: 6, learningRate: 1e-2, device })
    expect(run.steps).toBe(60)
    const before = await evaluateSft(run.weights, data, { config, device })
    for await (const { index, metrics, seconds } of run) {
      expect(metrics.learningRate).toBe(1e-2)
      expect(metrics.gradNorm).toBeGreaterThan(0)
      expect(metrics.tokens).toBeGreaterThan(index === 0 ? 0 : 6)
      expect(seconds).toBeGreaterThan(0)
      if (index === 60) expect(metrics.accuracy).toBeGreaterThan(0.9)
    }
    const after = await evaluateSft(run.weights, data, { config, device })
    expect(after.loss).toBeLessThan(before.loss / 4)
  })

  it('takes the same steps whatever the padding and the split into batches are', async () => {
    const config = tinyConfig(tokenizer)
    const common = { data, steps: 3, learningRate: 1e-3, device }
    using whole = sft({ ...common, policy: tinyPolicy(config), rows: 12 })
    // Batches of three are padded less than the batch of all.
    using split = sft({ ...common, policy: tinyPolicy(config), rows: 3, accumulate: 4 })
    const [one, other] = [await finish(whole), await finish(split)]
    one.losses.forEach((loss, i) => expect(Math.abs(loss - other.losses[i]!)).toBeLessThan(2e-6 * loss))
    const others = other.weights.flat()
    expect(Math.max(...one.weights.flat().map((weight, i) => Math.abs(weight - others[i]!)))).toBeLessThan(2e-5)
  })

  it('goes on bit for bit from a state, dropout included', async () => {
    const config = tinyConfig(tokenizer, { dropout: 0.1 })
    const common = { data, steps: 5, rows: 4, learningRate: 1e-3, seed: 'run', device }
    using straight = sft({ ...common, policy: tinyPolicy(config) })
    const expected = await finish(straight)
    const first = sft({ ...common, policy: tinyPolicy(config) })
    for await (const { index } of first) if (index === 2) break
    using second = sft({ ...common, seed: 'ignored', state: first.state() })
    expect((await finish(second)).weights).toEqual(expected.weights)
  })

  it('stops at a signal with its state whole, and goes on', async () => {
    const controller = new AbortController()
    using run = sft({ policy: tinyPolicy(tinyConfig(tokenizer)), data, steps: 4, rows: 4, device, signal: controller.signal })
    await expect(
      (async () => {
        for await (const { index } of run) if (index === 2) controller.abort()
      })(),
    ).rejects.toMatchObject({ name: 'AbortError' })
    expect(run.state().step).toBe(2)
    expect((await values(run.weights)).flat().every(Number.isFinite)).toBe(true)
  })

  it('refuses what it cannot train with', async () => {
    const config = tinyConfig(tokenizer)
    const policy = tinyPolicy(config)
    const code = (options: Partial<Parameters<typeof sft>[0]>): string => {
      try {
        sft({ policy, data, ...options })
        return 'none'
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    expect(code({ data: [] })).toBe('ROW')
    expect(code({ data: [{ ids: Int32Array.of(1, 2), mask: Uint8Array.of(1, 0) }] })).toBe('ROW')
    expect(code({ rows: 0 })).toBe('OPTION')
    expect(code({ clip: 0 })).toBe('OPTION')
    expect(code({ learningRate: -1 })).toBe('OPTION')
    expect(code({ policy: { config: { ...config, width: 32 }, weights: policy.weights } })).toBe('WEIGHTS')
    using run = sft({ policy, data: [{ ids: new Int32Array(60), mask: new Uint8Array(60).fill(1) }], device })
    await expect(run[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'LENGTH' })
    run.dispose()
    expect(() => run.state()).toThrow('has ended')
    const wild = sft({ policy: tinyPolicy(config), data, steps: 20, learningRate: 1e30, clip: Infinity, device })
    await expect(finish(wild)).rejects.toMatchObject({ code: 'DIVERGED' })
    disposeWeights(wild.release())
  })
})
