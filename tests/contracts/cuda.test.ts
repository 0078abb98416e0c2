/** A trained model on device 'cuda', by the PTX of its kernels, run on the processor. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { referenceDevice } from '@tesserae/tensor'
import { createModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { describe, expect, it } from 'vitest'
import { openCuda } from '../../packages/tensor/src/device/cuda/device.js'
import { emulatedDriver } from '../../packages/tensor/src/device/cuda/testing/driver.js'

const data = fileURLToPath(new URL('../../../shared/data', import.meta.url))
const haveStories = ['stories260K.bin', 'stories260K.expected.json'].every((name) => existsSync(join(data, name)))

describe('emulated CUDA', () => {
  it('continues a prompt of stories260K as llama2.c does, and leaves nothing behind', async ({ skip }) => {
    skip(!haveStories, 'needs stories260K.bin and stories260K.expected.json in ../shared/data, which is not part of the repository')
    const [{ prompt_ids, greedy_ids }] = JSON.parse(readFileSync(join(data, 'stories260K.expected.json'), 'utf8')) as [
      { prompt_ids: number[]; greedy_ids: number[] },
    ]
    const expected = greedy_ids.slice(prompt_ids.length - 1, prompt_ids.length + 4)
    const device = openCuda(emulatedDriver())
    const loaded = await loadCheckpoint(join(data, 'stories260K.bin'))
    {
      using model = await createModel({ ...loaded, device })
      const { ids } = await model.generate(prompt_ids, { maxTokens: expected.length })
      expect(ids).toEqual(expected)
    }
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
    await device.dispose()
  })

  it.each(['f16', 'bf16'] as const)('keeps matrices as %s, in half of the memory', async (dtype) => {
    const path = fileURLToPath(new URL('../../packages/transformer/src/checkpoints/__fixtures__/qwen3-f32', import.meta.url))
    const prompt = [3, 9, 27, 14, 41]
    const device = openCuda(emulatedDriver())
    const answers: (readonly number[])[] = []
    for (const where of [referenceDevice(), device]) {
      const loaded = await loadCheckpoint(path, { dtype, device: where })
      using model = await createModel({ ...loaded, device: where, capacity: 16, maxStreams: 1 })
      answers.push((await model.generate(prompt, { maxTokens: 3 })).ids)
    }
    expect(answers[1]).toEqual(answers[0])
    await device.dispose()
  })
})
