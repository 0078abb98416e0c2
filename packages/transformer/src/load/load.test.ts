import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ProgressEvent } from '@tesserae/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saveModel } from '../checkpoints/node/model.js'
import { chatModel, plainTemplate, toolTemplate } from '../lm/testing/chat-model.js'
import { generationDefaults, ggufDefaults } from './generation-config.js'
import { loadModel } from './load.js'
import { licenceOf } from './model-card.js'
import { readHubId } from './address.js'

const fixtures = fileURLToPath(new URL('../checkpoints/__fixtures__/', import.meta.url))
let folder: string
let server: Server
let address: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tesserae-load-'))
  await saveModel(folder, await chatModel(plainTemplate))
  writeFileSync(join(folder, 'README.md'), '---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n')
  writeFileSync(
    join(folder, 'generation_config.json'),
    JSON.stringify({ do_sample: true, temperature: 0.7, top_p: 0.9, eos_token_id: [3, 5] }),
  )
  server = createServer((request, response) => {
    const name = basename(new URL(request.url!, 'http://x').pathname)
    let bytes: Buffer
    try {
      bytes = readFileSync(join(folder, name))
    } catch {
      response.writeHead(404).end()
      return
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (first === undefined) return void response.end(bytes)
    const end = Math.min(Number(last), bytes.length - 1)
    response.writeHead(206, { 'content-range': `bytes ${first}-${end}/${bytes.length}`, etag: '"1"' })
    response.end(bytes.subarray(Number(first), end + 1))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/tiny`
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  server.close()
})

describe('loadModel', () => {
  it('reads a folder by path, by file address, over HTTP and as files of a page, and all answer alike', async () => {
    const blobs = [
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
      'generation_config.json',
      'README.md',
    ].map((name) => new File([readFileSync(join(folder, name))], name))
    const answers = new Set<string>()
    for (const source of [folder, pathToFileURL(folder).href, address, new URL(`${address}/model.safetensors`), blobs]) {
      const lm = await loadModel(source, { device: 'cpu' })
      expect(lm.info).toMatchObject({ architecture: 'decoder', context: 1024, licence: 'apache-2.0', hasChatTemplate: true })
      expect(lm.sampling).toEqual({ temperature: 0.7, topP: 0.9, topK: 50 })
      expect(lm.stop).toEqual(expect.arrayContaining([3, 5, lm.tokenizer.specialTokens.get('<|im_end|>')]))
      answers.add((await lm.generate([{ role: 'user', content: 'the whale' }], { maxTokens: 8 })).text)
      await lm.dispose()
    }
    expect(answers.size).toBe(1)
  })

  it('tells how far it is, takes options over what files say, and ends with its signal', async () => {
    const events: ProgressEvent[] = []
    const lm = await loadModel(folder, {
      device: 'cpu',
      id: 'mine',
      context: 64,
      chatTemplate: toolTemplate,
      sampling: { temperature: 0 },
      onProgress: (event) => events.push(event),
    })
    expect(lm.info).toMatchObject({ id: 'mine', context: 64 })
    expect(lm.sampling.temperature).toBe(0)
    expect(events.at(-1)).toMatchObject({ task: 'load-model', unit: 'bytes', completed: events.at(-1)!.total })
    expect(events.length).toBeGreaterThan(5)
    await lm.dispose()
    const controller = new AbortController()
    const loading = loadModel(folder, { device: 'cpu', signal: controller.signal, onProgress: () => controller.abort() })
    await expect(loading).rejects.toMatchObject({ name: 'AbortError' })
    await expect(loadModel(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('says what may have been meant', async () => {
    const message = (source: string): Promise<string> =>
      loadModel(source).then(
        () => 'none',
        (error: Error) => error.message,
      )
    expect(await message('HuggingFaceTB/SmolLM2-135M-Instruct')).toContain('did you mean hf:HuggingFaceTB/SmolLM2-135M-Instruct')
    expect(await message('huggingface.co/a/b')).toContain('did you mean hf:a/b')
    expect(await message('example.com/model.gguf')).toContain('did you mean https://example.com/model.gguf')
    expect(await message('./nothing')).toContain('expected the path of a folder')
    expect(await message('ftp://x/y')).toContain('http, https')
    await expect(loadModel([])).rejects.toMatchObject({ code: 'OPTION' })
    await expect(loadModel(7 as never)).rejects.toMatchObject({ code: 'OPTION' })
    await expect(loadModel(`${address}/none.gguf`)).rejects.toThrow('there is no file none.gguf')
    await expect(loadModel(folder, { context: 5000 })).rejects.toThrow('context is an integer from 1 to the 1024')
  })

  it('says which file is missing', async () => {
    await expect(loadModel(join(fixtures, 'llama-f32'))).rejects.toThrow('there is no tokenizer.json')
    await expect(loadModel(fixtures)).rejects.toThrow('there are several models')
    const only = new File([readFileSync(join(folder, 'config.json'))], 'config.json')
    await expect(loadModel([only], { device: 'cpu', tokenizer: (await chatModel(plainTemplate)).tokenizer })).rejects.toThrow(
      'neither model.safetensors.index.json nor model.safetensors',
    )
  })
})

describe('what a checkpoint says of sampling', () => {
  it('counts where it asks for sampling', () => {
    expect(generationDefaults({ eos_token_id: 2 }, { temperature: 0.6 })).toEqual({ stop: [2], sampling: { temperature: 0 } })
    expect(
      generationDefaults(
        {},
        { do_sample: true, temperature: 'x', top_k: 20, top_p: 7, repetition_penalty: 1.1, eos_token_id: [1, -1, '2'] },
      ),
    ).toEqual({
      stop: [1],
      sampling: { temperature: 1, topK: 20, repetitionPenalty: 1.1 },
    })
    const metadata = new Map([
      ['general.sampling.temp', 0.6],
      ['general.sampling.top_k', 20],
      ['tokenizer.ggml.eos_token_id', 7],
      ['tokenizer.ggml.eot_token_id', 9],
    ])
    expect(ggufDefaults(metadata)).toEqual({ stop: [7, 9], sampling: { temperature: 0.6, topK: 20 } })
  })
})

it('reads licences out of model cards', () => {
  expect(licenceOf('---\r\nlicense: mit\r\n---\r\n')).toBe('mit')
  expect(licenceOf('---\nlicense:\n- apache-2.0\n- mit\n---\n')).toBe('apache-2.0')
  expect(licenceOf('---\nlicense: other\nlicense_name: "llama3"\n---\n')).toBe('llama3')
  expect(licenceOf('license: mit')).toBeUndefined()
})

it('reads ids of the hub', () => {
  expect(readHubId('a/b')).toEqual({ repository: 'a/b', revision: undefined, file: undefined })
  expect(readHubId('gpt2@main')).toEqual({ repository: 'gpt2', revision: 'main', file: undefined })
  expect(readHubId('a/b@v1/x/y.gguf')).toEqual({ repository: 'a/b', revision: 'v1', file: 'x/y.gguf' })
  for (const bad of ['', '/a', 'a/../b', 'a--b/c', 'a/b/']) expect(() => readHubId(bad)).toThrow('expected hf:owner/name')
})
