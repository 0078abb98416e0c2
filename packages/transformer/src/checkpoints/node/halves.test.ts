/** Matrices in 16 bits, read and written, and models of them on devices that keep them so. */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBytes, referenceDevice, type Device } from '@tesserae/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forward } from '../../architectures/decoder.js'
import { disposeWeights, isPackable, namedWeights } from '../../architectures/weights.js'
import { modelMemory } from '../../generate/memory.js'
import { createModel } from '../../generate/model.js'
import { rotaryTables } from '../../layers/rotary.js'
import { loadModel } from '../../load/load.js'
import { answersOf, fixtures } from '../testing/parity.js'
import { loadCheckpoint, saveModel } from './model.js'

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tesserae-halves-'))
})
afterAll(() => rm(scratch, { recursive: true }))

/** How far values of a type may be from those that they are rounded from, as a share. */
const within = { f16: 2 ** -11, bf16: 2 ** -8 } as const
const files = ['llama-f32', 'llama.gguf', 'gpt2-f32', 'phi3-f32', 'mixtral-f32'] as const

describe.each(['f16', 'bf16'] as const)('%s', (dtype) => {
  it.each(files)('holds the matrices of %s, rounded to the nearest', async (name) => {
    const [whole, halves] = await Promise.all([loadCheckpoint(join(fixtures, name)), loadCheckpoint(join(fixtures, name), { dtype })])
    const found = namedWeights(halves.weights)
    for (const [path, weight] of namedWeights(whole.weights)) {
      const half = found.get(path)!
      expect(half.dtype).toBe(isPackable(path, weight.shape) ? dtype : 'f32')
      const [a, b] = [(await weight.data()) as Float32Array, (await half.cast('f32').data()) as Float32Array]
      a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThanOrEqual(Math.abs(value) * within[dtype] + 1e-7))
    }
    const planned = modelMemory(halves.config, { matrices: dtype }).weights.filter((one) => !one.name.startsWith('rotary'))
    expect(Object.fromEntries(planned.map((one) => [one.name, one.bytes]))).toEqual(
      Object.fromEntries([...found].map(([path, { size, dtype: own }]) => [path, size * (own === 'f32' ? 4 : 2)])),
    )
    // Logits are those of transformers as far as so many bits hold them.
    const { prompt, rows, logits } = answersOf(name)
    const input = fromBytes(new Uint8Array(Int32Array.from(prompt).buffer), { dtype: 'i32', shape: [1, prompt.length] })
    const model = { config: halves.config, ...(halves.config.positions === 'rotary' ? { rotary: rotaryTables(halves.config) } : {}) }
    const ours = (await forward(halves.weights, input, model).data()) as Float32Array
    const size = halves.config.vocabSize
    const spread = Math.sqrt(logits.flat().reduce((sum, value) => sum + value * value, 0) / logits.flat().length)
    const apart = rows.flatMap((row, i) => logits[i]!.map((value, id) => (value - ours[row * size + id]!) ** 2))
    expect(Math.sqrt(apart.reduce((sum, one) => sum + one, 0) / apart.length)).toBeLessThan(spread * (dtype === 'f16' ? 0.01 : 0.3))
    disposeWeights(halves.weights)
    disposeWeights(whole.weights)
  })

  it('is what a model may be saved in', async () => {
    const [plain, small] = [join(scratch, `${dtype}-plain`), join(scratch, `${dtype}-small`)]
    const loaded = await loadCheckpoint(join(fixtures, 'llama-f32'))
    await saveModel(plain, loaded)
    await saveModel(small, loaded, { dtype })
    const bytes = async (folder: string): Promise<number> => (await stat(join(folder, 'model.safetensors'))).size
    expect(await bytes(small)).toBeLessThan(0.7 * (await bytes(plain)))
    const again = await loadCheckpoint(small, { dtype })
    const direct = await loadCheckpoint(join(fixtures, 'llama-f32'), { dtype })
    for (const [path, weight] of namedWeights(direct.weights))
      expect(await namedWeights(again.weights).get(path)!.bytes()).toEqual(await weight.bytes())
    // And as they are, of a model that is in halves.
    await saveModel(join(scratch, `${dtype}-again`), again)
    expect(await bytes(join(scratch, `${dtype}-again`))).toBe(await bytes(small))
    for (const { weights } of [loaded, again, direct]) disposeWeights(weights)
  })

  it('runs on a device that keeps it, with and without a cache', async () => {
    const device = referenceDevice()
    const loaded = await loadCheckpoint(join(fixtures, 'qwen3-f32'), { dtype, device })
    for (const weight of namedWeights(loaded.weights).values()) await weight.realize({ device })
    using model = await createModel({ ...loaded, device, capacity: 32 })
    const prompt = answersOf('qwen3-f32').prompt.slice(0, 9)
    const { ids } = await model.generate(prompt, { maxTokens: 5 })
    expect((await model.generate(prompt, { maxTokens: 5, useCache: false })).ids).toEqual(ids)
  })

  it('is refused where it would be decoded again, or is not held', async () => {
    const path = join(fixtures, 'llama-f32')
    await expect(loadCheckpoint(path, { dtype, device: 'cpu' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining("Give 'f32', 'q8' or 'q4', or a device such as 'webgpu' or 'cuda'"),
    })
    await expect(loadModel(path, { dtype, device: 'cpu' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    const reference = referenceDevice()
    const device = { ...reference, name: 'webgpu', caps: { ...reference.caps, dtypes: ['f32', 'i32'] } } as unknown as Device
    await expect(loadCheckpoint(path, { dtype, device })).rejects.toThrow(`device 'webgpu' holds f32, i32 and not ${dtype}`)
  })
})

it('another type is refused by name', async () => {
  const path = join(fixtures, 'llama-f32')
  await expect(loadCheckpoint(path, { dtype: 'f8' as 'f16' })).rejects.toThrow("expected one of 'auto', 'f32', 'f16', 'bf16', 'q8', 'q4'")
  const loaded = await loadCheckpoint(path)
  await expect(saveModel(scratch, loaded, { dtype: 'q8' as 'f16' })).rejects.toThrow(
    "saveModel: dtype is \"q8\"; expected 'f32', 'f16' or 'bf16'",
  )
  disposeWeights(loaded.weights)
})
