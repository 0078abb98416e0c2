import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveDevice, tensor, type Device } from '@tesserae/tensor'
import { namedWeights, type DecoderConfig } from '@tesserae/transformer'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { conversations, template, tinyConfig, tinyPolicy, tinyTokenizer } from '../../__fixtures__/tiny.js'
import { prepareSft } from '../../data/prepare.js'
import type { Rendered } from '../../data/template.js'
import { trainAndKill } from '../../testing/kill.js'
import type { ScalarModel } from '../../rewards/model.js'
import { initScalarHead } from '../../rewards/scalar-head.js'
import { rewardScorer } from '../../trainers/reward.js'
import { sft, type SftRun } from '../../trainers/sft.js'
import { putTogether, takeApart } from '../record.js'
import { loadRewardModel, saveRewardModel } from './reward-model.js'
import { hasTrainer, loadTrainer, saveTrainer } from './checkpoint.js'

let device: Device
let config: DecoderConfig
let data: Rendered[]
let folder: string
beforeAll(async () => {
  device = await resolveDevice('cpu')
  const tokenizer = await tinyTokenizer()
  config = tinyConfig(tokenizer)
  data = prepareSft(conversations, { tokenizer, template, maxLength: 48 })
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const options = () => ({ data, steps: 6, rows: 4, learningRate: 1e-3, seed: 'run', device })

async function advance(run: SftRun, steps: number): Promise<void> {
  if (run.step < steps) for await (const { index } of run) if (index >= steps) break
}

async function bits(run: SftRun): Promise<unknown> {
  const { weights, m, v, step } = run.state()
  const out: Record<string, unknown> = { step }
  for (const [part, record] of Object.entries({ weights, m, v }))
    for (const [name, leaf] of namedWeights(record)) out[`${part}.${name}`] = Buffer.from(await leaf.bytes()).toString('base64')
  return out
}

describe('saveTrainer and loadTrainer', () => {
  it('go on bit for bit: six steps are two, a checkpoint, and four', async () => {
    using straight = sft({ ...options(), policy: tinyPolicy(config) })
    await advance(straight, 6)
    using first = sft({ ...options(), policy: tinyPolicy(config) })
    expect(await hasTrainer(folder)).toBe(false)
    for await (const { index } of first) {
      await saveTrainer(folder, { trainer: 'sft', state: first.state() })
      if (index === 2) break
    }
    expect((await readdir(folder)).sort()).toEqual(['step-2.safetensors', 'trainer.json'])
    expect(await hasTrainer(folder)).toBe(true)
    const state = await loadTrainer(folder, 'sft')
    expect(state).toMatchObject({ step: 2, seed: 'run', config })
    using second = sft({ ...options(), state })
    await advance(second, 6)
    expect(await bits(second)).toEqual(await bits(straight))
  })

  it('refuse what is not a checkpoint of that trainer', async () => {
    const refusal = (): Promise<string> =>
      loadTrainer(folder, 'sft').then(
        () => 'accepted',
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      )
    expect(await refusal()).toMatch(/^CHECKPOINT .*trainer\.json could not be read/)
    using run = sft({ ...options(), policy: tinyPolicy(config) })
    await advance(run, 1)
    await saveTrainer(folder, { trainer: 'sft', state: run.state() })
    const path = join(folder, 'trainer.json')
    const good = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    const withChange = async (change: object): Promise<string> => {
      await writeFile(path, JSON.stringify({ ...good, ...change }))
      return refusal()
    }
    expect(await withChange({})).toBe('accepted')
    expect(await withChange({ trainer: 'dpo' })).toContain('trainer "dpo"; expected a checkpoint of sft')
    expect(await withChange({ format: 'x' })).toContain('format "x"')
    expect(await withChange({ step: 2 })).toContain('tensors "step-1.safetensors"')
    expect(await withChange({ tensors: '../x.safetensors' })).toContain('tensors "../x.safetensors"')
    expect(await withChange({ state: { step: 4 } })).toContain('a state that is not of this step')
    expect(await withChange({ state: { step: 1, weights: { $tensor: 'nowhere' } } })).toContain("tensor 'nowhere' is missing")
    await writeFile(path, '{')
    expect(await refusal()).toContain('not JSON')
  })

  it('leave the earlier checkpoint when saving fails', async () => {
    using run = sft({ ...options(), policy: tinyPolicy(config) })
    await advance(run, 1)
    await saveTrainer(folder, { trainer: 'sft', state: run.state() })
    await advance(run, 2)
    const aborted = { trainer: 'sft', state: run.state(), signal: AbortSignal.abort() } as const
    await expect(saveTrainer(folder, aborted)).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await loadTrainer(folder, 'sft')).step).toBe(1)
  })
})

it('a state is taken apart and put together in its order, whatever the names are', async () => {
  const leaf = tensor([1, 2])
  const state = { b: { 'x.y': leaf, '10': 'text' }, a: [leaf, { c: null }], missing: undefined, n: 0.1 }
  const { json, tensors } = takeApart(state)
  expect(tensors.map(({ name }) => name)).toEqual(['b.x.y', 'a.0'])
  const back = putTogether(JSON.parse(JSON.stringify(json)), new Map(tensors.map(({ name }) => [name, leaf])), 'here')
  expect(back).toEqual({ b: { 'x.y': leaf, '10': 'text' }, a: [leaf, { c: null }], n: 0.1 })
  expect(Object.keys(back as object)).toEqual(['b', 'a', 'n'])
  expect(() => takeApart({ at: { depth: () => 1 } })).toThrow("at 'at.depth', which cannot be kept")
  expect(() => takeApart({ rate: NaN })).toThrow("NaN at 'rate'")
})

it('a reward model is saved with its head, and scores as before', async () => {
  const model = { ...tinyPolicy(config), head: initScalarHead(config.width, { seed: 2 }) }
  await saveRewardModel(folder, model)
  const loaded = await loadRewardModel(folder)
  const score = async (one: typeof model | ScalarModel): Promise<number[]> => {
    using scorer = rewardScorer(one, { device, rows: 4 })
    return scorer.score(data.slice(0, 3))
  }
  expect(await score(loaded)).toEqual(await score(model))
  const other = { ...tinyConfig(await tinyTokenizer()), width: 8, headWidth: 4 }
  await saveRewardModel(folder, { ...tinyPolicy(other), head: model.head })
  await expect(loadRewardModel(folder)).rejects.toThrow("the head's weight is [1, 16]; the decoder beside it calls for [1, 8]")
})

it('a training that is killed goes on as if nothing had been', async () => {
  const { straight, killed } = await trainAndKill({ trainer: 'sft', steps: 24, kills: 1, seed: 1 })
  expect(killed).toBe(straight)
}, 120_000)
