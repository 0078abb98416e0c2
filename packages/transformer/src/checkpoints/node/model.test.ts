import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gpt2 } from '../../architectures/gpt2.js'
import { initWeights } from '../../architectures/initialize.js'
import { llama } from '../../architectures/llama.js'
import { namedWeights } from '../../architectures/weights.js'
import { loadCheckpoint, saveModel } from './model.js'

const sizes = { vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6 }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('saveModel and loadCheckpoint', () => {
  it.each([
    ['GPT-2', gpt2(sizes)],
    ['Llama', llama({ ...sizes, kvHeads: 1 })],
  ])('keep a %s bit for bit', async (_, config) => {
    const weights = initWeights(config, { seed: 2 })
    await saveModel(join(folder, 'a', 'model'), { config, weights })
    const loaded = await loadCheckpoint(join(folder, 'a', 'model'))
    expect(loaded.config).toEqual(config)
    const names = [...namedWeights(weights).keys()]
    expect([...namedWeights(loaded.weights).keys()]).toEqual(names)
    for (const name of names)
      expect(await namedWeights(loaded.weights).get(name)!.bytes()).toEqual(await namedWeights(weights).get(name)!.bytes())
  })

  it('refuse other folders, naming what is wrong', async () => {
    const config = gpt2(sizes)
    await expect(loadCheckpoint(folder)).rejects.toThrow('there is no config.json among no files')
    await saveModel(folder, { config, weights: initWeights(config, { seed: 2 }) })
    const path = join(folder, 'config.json')
    const good = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    const withConfig = async (value: unknown): Promise<unknown> => {
      await writeFile(path, JSON.stringify(value))
      return loadCheckpoint(folder).then(
        () => undefined,
        (error: Error) => error.message,
      )
    }
    expect(await withConfig([])).toContain('expected a JSON object')
    expect(await withConfig({ model_type: 'llama' })).toContain('hidden_size is nothing; expected a number')
    expect(await withConfig({ ...good, version: 9 })).toContain('version 9 of the format is not known here')
    expect(await withConfig({ ...good, kvHeads: 4 })).toContain('config.kvHeads is 4; expected a divisor of heads (2)')
    expect(await withConfig({ ...good, norm: 'batch' })).toContain(`config.norm is "batch"; expected one of 'rms', 'layer'`)
    expect(await withConfig({ ...good, vocabSize: 12 })).toContain(
      "tensor 'embedding.weight' is [11, 8]; its configuration calls for [12, 8]",
    )
    await expect(
      saveModel(folder, { config: gpt2({ ...sizes, width: 16 }), weights: initWeights(config, { seed: 2 }) }),
    ).rejects.toMatchObject({ code: 'WEIGHTS' })
  })
})

describe('llama2.c', () => {
  it('says which file could not be read, or is none', async () => {
    await expect(loadCheckpoint(join(folder, 'none.bin'))).rejects.toThrow('none.bin could not be read')
    await writeFile(join(folder, 'short.bin'), 'short')
    await expect(loadCheckpoint(join(folder, 'short.bin'))).rejects.toThrow('short.bin: 5 bytes are too few')
  })
})
