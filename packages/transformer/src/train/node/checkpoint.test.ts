import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { referenceDevice } from '@tesserae/tensor'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gpt2 } from '../../architectures/gpt2.js'
import { initWeights } from '../../architectures/initialize.js'
import { namedWeights } from '../../architectures/weights.js'
import { TransformerError } from '../../errors.js'
import { randomWindows } from '../data.js'
import { train, type TrainingRun } from '../run.js'
import { loadTraining, saveTraining } from './checkpoint.js'

const config = gpt2({ vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6, dropout: 0.2 })
const data = randomWindows(
  Array.from({ length: 60 }, (_, i) => (i * i + 3 * i) % 11),
  { rows: 3, length: 6, seed: 5 },
)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const begin = (): TrainingRun =>
  train({ config, weights: initWeights(config, { seed: 1 }), data, steps: 6, seed: 'run', device: referenceDevice() })

async function advance(run: TrainingRun, steps: number): Promise<void> {
  for await (const { step } of run) if (step >= steps) break
}

async function bits(run: TrainingRun): Promise<unknown> {
  const { weights, m, v, step } = run.state()
  const out: Record<string, unknown> = { step }
  for (const [part, record] of Object.entries({ weights, m, v }))
    for (const [name, leaf] of namedWeights(record)) out[`${part}.${name}`] = [...(await leaf.bytes())]
  return out
}

describe('saveTraining and loadTraining', () => {
  it('go on bit for bit: six steps are three, a checkpoint, and three', async () => {
    using straight = begin()
    await advance(straight, 6)
    const first = begin()
    await advance(first, 3)
    await saveTraining(folder, first.state())
    first.dispose()
    const state = await loadTraining(folder)
    expect(state).toMatchObject({ step: 3, seed: 'run', config })
    using second = train({ state, data, steps: 6, device: referenceDevice() })
    await advance(second, 6)
    expect(await bits(second)).toEqual(await bits(straight))
  })

  it('keep the newest checkpoint alone, whatever else is in the folder', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine')
    using run = begin()
    for await (const { step } of run) {
      await saveTraining(folder, run.state())
      if (step === 2) break
    }
    expect((await readdir(folder)).sort()).toEqual(['notes.txt', 'step-2.safetensors', 'training.json'])
  })

  it('leave the earlier checkpoint when saving fails', async () => {
    using run = begin()
    await advance(run, 1)
    await saveTraining(folder, run.state())
    const before = await readFile(join(folder, 'training.json'), 'utf8')
    await advance(run, 2)
    await expect(saveTraining(folder, run.state(), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await readFile(join(folder, 'training.json'), 'utf8')).toBe(before)
    expect((await loadTraining(folder)).step).toBe(1)
  })

  it('refuse what is not a checkpoint, naming the file', async () => {
    const refusal = async (): Promise<string> => {
      const error: unknown = await loadTraining(folder).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (!TransformerError.isInstance(error)) throw new Error(`expected a refusal, got ${String(error)}`)
      return `${error.code} ${error.message}`
    }
    expect(await refusal()).toMatch(/CHECKPOINT .*training\.json could not be read/)
    using run = begin()
    await advance(run, 1)
    await saveTraining(folder, run.state())
    const path = join(folder, 'training.json')
    const good = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    const withChange = async (change: object): Promise<string> => {
      await writeFile(path, JSON.stringify({ ...good, ...change }))
      return refusal()
    }
    await writeFile(path, '{"format": ')
    expect(await refusal()).toContain('not JSON')
    expect(await withChange({ format: 'other' })).toContain('format "other"')
    expect(await withChange({ version: 2 })).toContain('version 2')
    expect(await withChange({ step: -1 })).toContain('step -1')
    expect(await withChange({ seed: null })).toContain('seed null')
    expect(await withChange({ tensors: '../../elsewhere.safetensors' })).toContain('tensors "../../elsewhere.safetensors"')
    expect(await withChange({ config: { ...config, width: 16 } })).toMatch(
      /CHECKPOINT .*tensor 'weights.embedding.weight' is \[11, 8\]; its configuration calls for \[11, 16\]/,
    )
    expect(await withChange({ config: { ...config, heads: 0 } })).toContain('CONFIG config.heads is 0')
    expect(await withChange({ config: { ...config, bias: false } })).toContain(
      "tensor 'weights.blocks.0.attentionNorm.bias' is not part of its configuration",
    )
    expect(await withChange({ config: { ...config, layers: 3 } })).toContain(
      "tensor 'weights.blocks.2.attentionNorm.weight' [8] is missing",
    )
  })

  it('frees what it read when a later tensor cannot be used', async () => {
    using run = begin()
    await advance(run, 1)
    await saveTraining(folder, run.state())
    const path = join(folder, 'step-1.safetensors')
    const file = await openSafetensorsPath(path, { map: false })
    const entries = await Promise.all(
      file.names.map(async (name) => {
        const { dtype, shape } = file.info(name)
        const whole = await file.bytes(name)
        return name === 'v.norm.bias' ? { name, dtype: 'i32', shape, bytes: whole } : { name, dtype, shape, bytes: whole }
      }),
    )
    await file.dispose()
    await saveSafetensors(path, entries)
    await expect(loadTraining(folder)).rejects.toMatchObject({ code: 'DTYPE' })
  })
})
