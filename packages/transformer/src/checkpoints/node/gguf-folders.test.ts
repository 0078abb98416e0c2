/** GGUF files by the folder that they lie in. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { disposeWeights } from '../../architectures/weights.js'
import { fixtures } from '../testing/parity.js'
import { loadCheckpoint } from './model.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-gguf-'))
})
afterEach(() => rm(folder, { recursive: true }))

const put = (from: string, name: string): Promise<void> => copyFile(join(fixtures, from), join(folder, name))

async function isRead(path: string): Promise<void> {
  const { weights, metadata } = await loadCheckpoint(path)
  expect(metadata!.get('general.architecture')).toBe('llama')
  disposeWeights(weights)
}

it('the only one is the model, with a config.json and what reads images beside it too', async () => {
  await put('llama.gguf', 'model-Q4_K_M.gguf')
  await writeFile(join(folder, 'README.md'), '# A model')
  await isRead(folder)
  await put('gpt2.gguf', 'mmproj-model-f16.gguf')
  await put('llama-f32/config.json', 'config.json')
  await isRead(folder)
  // With weights of its own, config.json is theirs.
  await put('gpt2-f32/config.json', 'config.json')
  await put('gpt2-f32/model.safetensors', 'model.safetensors')
  const { weights, metadata } = await loadCheckpoint(folder)
  expect(metadata).toBeUndefined()
  disposeWeights(weights)
})

it('of several one has to be named, and the error says how', async () => {
  await put('llama.gguf', 'a-Q8_0.gguf')
  await put('llama.gguf', 'b-Q4_0.gguf')
  const message = await loadCheckpoint(`${folder}/`).then(
    () => 'none',
    (error: Error) => error.message,
  )
  expect(message).toContain('there are several models')
  for (const name of ['a-Q8_0.gguf', 'b-Q4_0.gguf']) expect(message).toContain(name)
  expect(message).toMatch(new RegExp(`name one of them, such as ${folder}/[ab]-Q\\d_0\\.gguf$`))
  await isRead(join(folder, 'b-Q4_0.gguf'))
})
