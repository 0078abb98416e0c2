import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tensor } from '@tesserae/tensor'
import { saveSafetensors } from '@tesserae/tensor/node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gpt2 } from '../../architectures/gpt2.js'
import { initLora } from '../lora.js'
import { loadLora, saveLora } from './lora.js'

const config = gpt2({ vocabSize: 11, width: 8, layers: 2, heads: 2, context: 6 })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('saveLora and loadLora', () => {
  it('keep an adapter bit for bit', async () => {
    const lora = initLora(config, { seed: 2, rank: 3, alpha: 5, rankStabilized: true, targets: ['attention', 'embedding'] })
    await saveLora(join(folder, 'a', 'b'), lora)
    const loaded = await loadLora(join(folder, 'a', 'b'))
    expect(loaded.config).toEqual(lora.config)
    expect(Object.keys(loaded.weights).sort()).toEqual(Object.keys(lora.weights).sort())
    for (const [name, { a, b }] of Object.entries(lora.weights)) {
      expect(await loaded.weights[name]!.a.bytes()).toEqual(await a.bytes())
      expect(await loaded.weights[name]!.b.bytes()).toEqual(await b.bytes())
    }
  })

  it('refuse what is not an adapter, naming the file', async () => {
    await expect(loadLora(folder)).rejects.toThrow('adapter.json could not be read')
    await saveLora(folder, initLora(config, { seed: 2 }))
    const path = join(folder, 'adapter.json')
    const good = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...good, format: 'other' }))
    await expect(loadLora(folder)).rejects.toThrow('format "other", version 1; expected an adapter written by saveLora')
    await writeFile(path, JSON.stringify({ ...good, rank: -1 }))
    await expect(loadLora(folder)).rejects.toThrow('rank is -1')
    await writeFile(path, JSON.stringify(good))
    const half = tensor([[1]])
    await saveSafetensors(join(folder, 'adapter.safetensors'), [
      { name: 'x.weight.a', dtype: 'f32', shape: [1, 1], bytes: () => half.bytes() },
    ])
    await expect(loadLora(folder)).rejects.toThrow("tensor 'x.weight.a' is not half of a pair")
  })
})
