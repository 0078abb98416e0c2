import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, existsSync, mkdirSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProgressEvent } from '@tesserae/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { saveModel } from '../../../checkpoints/node/model.js'
import { chatModel, plainTemplate } from '../../../lm/testing/chat-model.js'
import { loadModel } from '../../load.js'
import { commit, hubServer, type HubServer } from '../../testing/hub-server.js'
import { loadEmbedder, loadReranker } from '../../../encoders/node/load.js'
import { hubFiles } from './files.js'

let scratch: string
let cacheFolder: string
let hub: HubServer
const weights = Buffer.alloc(300_000, 7)
const sha256 = createHash('sha256').update(weights).digest('hex')
const folder = (): string => join(cacheFolder, 'models--owner--name')
const before = { ...process.env }

async function start(files: Readonly<Record<string, Buffer>>): Promise<void> {
  hub = await hubServer(files)
  process.env['HF_ENDPOINT'] = hub.url
}
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tesserae-hub-'))
  cacheFolder = join(scratch, 'hub')
  for (const name of ['HF_TOKEN', 'HF_HUB_OFFLINE', 'HF_HUB_CACHE']) delete process.env[name]
  process.env['HF_HOME'] = scratch
})
afterEach(async () => {
  await hub.close()
  rmSync(scratch, { recursive: true, force: true })
  for (const name of ['HF_ENDPOINT', 'HF_HOME', 'HF_TOKEN', 'HF_HUB_OFFLINE'])
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
})

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error) => error.message,
  )
const read = async (name: string, options: object = {}): Promise<Buffer> => {
  const source = (await (await hubFiles('owner/name', options)).open(name))!
  try {
    return Buffer.from(await source.read(0, source.size))
  } finally {
    await source.dispose?.()
  }
}

describe('a model of the hub', () => {
  it('is loaded, laid out as huggingface_hub lays it out, and loaded again offline', async () => {
    const model = join(scratch, 'model')
    await saveModel(model, await chatModel(plainTemplate))
    writeFileSync(join(model, 'README.md'), '---\nlicense: mit\n---\n')
    await start(Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))])))
    const events: ProgressEvent[] = []
    const lm = await loadModel('hf:owner/name', { device: 'cpu', onProgress: (event) => events.push(event) })
    expect(lm.info).toMatchObject({ id: 'owner/name', licence: 'mit' })
    const { text } = await lm.generate('the', { maxTokens: 4 })
    await lm.dispose()
    expect(events.some(({ task, completed, total }) => task === 'download' && completed === total)).toBe(true)
    expect(readFileSync(join(folder(), 'refs/main'), 'utf8')).toBe(commit)
    const snapshot = join(folder(), 'snapshots', commit)
    expect(lstatSync(join(snapshot, 'model.safetensors')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(snapshot, 'config.json'))).toEqual(readFileSync(join(model, 'config.json')))
    expect(readdirSync(join(folder(), 'blobs')).every((name) => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(name))).toBe(true)
    const count = hub.requests.length
    process.env['HF_HUB_OFFLINE'] = '1'
    const again = await loadModel('hf:owner/name', { device: 'cpu' })
    expect((await again.generate('the', { maxTokens: 4 })).text).toBe(text)
    await again.dispose()
    expect(hub.requests).toHaveLength(count)
    expect(await messageOf(loadModel('hf:owner/other'))).toContain('the hub is not asked (offline)')
  })

  it('needs the hub no more than its weights are new, and not at all where it is not reached', async () => {
    await start({ 'model.safetensors': weights })
    expect(await read('model.safetensors')).toEqual(weights)
    const gets = hub.requests.filter((request) => request.includes('GET')).length
    expect(await read('model.safetensors')).toEqual(weights)
    expect(hub.requests.filter((request) => request.includes('GET'))).toHaveLength(gets + 1)
    process.env['HF_ENDPOINT'] = 'http://127.0.0.1:1'
    expect(await read('model.safetensors')).toEqual(weights)
    expect(await messageOf(hubFiles('owner/else', {}))).toContain('could not be reached')
  }, 30_000)

  it('is found under its new name', async () => {
    await start({ 'config.json': Buffer.from('{}') })
    const source = await (await hubFiles('owner/old', {})).open('config.json')
    expect(source!.size).toBe(2)
    await source!.dispose?.()
  })
})

describe('encoders of the hub', () => {
  const encoders = fileURLToPath(new URL('../../../encoders/__fixtures__/', import.meta.url))
  const filesIn = (name: string): Record<string, Buffer> =>
    Object.fromEntries(
      (readdirSync(join(encoders, name), { recursive: true }) as string[])
        .filter((path) => statSync(join(encoders, name, path)).isFile())
        .map((path) => [path, readFileSync(join(encoders, name, path))]),
    )

  it('embed as those of a folder, parts in folders of theirs included, and offline', async () => {
    await start(filesIn('bert'))
    using local = await loadEmbedder(join(encoders, 'bert'))
    const expected = await local.embed(['the white whale'])
    using embedder = await loadEmbedder('hf:owner/name')
    expect(await embedder.embed(['the white whale'])).toEqual(expected)
    expect(hub.requests.some((request) => /1_Pooling\/config\.json/.test(request))).toBe(true)
    const before = hub.requests.length
    using again = await loadEmbedder(`hf:owner/name@${commit}`, { offline: true })
    expect(await again.embed(['the white whale'])).toEqual(expected)
    expect(hub.requests.length).toBe(before)
    await expect(loadEmbedder('hf:owner/none')).rejects.toMatchObject({ code: 'CHECKPOINT' })
  })

  it('are read out of GGUF, by name or because there is no other', async () => {
    await start({ 'bert-f32.gguf': readFileSync(join(encoders, 'bert.gguf')), 'README.md': Buffer.from('# BERT') })
    using local = await loadEmbedder(join(encoders, 'bert.gguf'))
    const expected = await local.embed(['the white whale'])
    for (const source of ['hf:owner/name', 'hf:owner/name/bert-f32.gguf']) {
      using embedder = await loadEmbedder(source)
      expect(await embedder.embed(['the white whale'])).toEqual(expected)
    }
    await expect(loadReranker('hf:owner/name')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(loadEmbedder('hf:owner/name/other.gguf')).rejects.toThrow('there is no such file in the model; it has bert-f32.gguf')
  })

  it('rank', async () => {
    await start(filesIn('bert-reranker'))
    using local = await loadReranker(join(encoders, 'bert-reranker'))
    using reranker = await loadReranker('hf:owner/name')
    const documents = ['the sea', 'the white whale']
    expect(await reranker.rank('whale', documents)).toEqual(await local.rank('whale', documents))
  })
})

describe('a download', () => {
  it('goes on from where it ended, over broken connections too', async () => {
    await start({ 'model.safetensors': weights })
    mkdirSync(join(folder(), 'blobs'), { recursive: true })
    writeFileSync(join(folder(), 'blobs', `${sha256}.incomplete`), weights.subarray(0, 1000))
    let breaks = 0
    hub.before.push((request, response) => {
      if (request.url !== '/model.safetensors' || breaks++ > 0) return false
      response.writeHead(206, { 'content-length': weights.length - 1000 })
      response.write(weights.subarray(1000, 5000), () => response.destroy())
      return true
    })
    expect(await read('model.safetensors')).toEqual(weights)
    expect(hub.requests.filter((request) => request.startsWith('GET /model')).map((request) => request.split(' ')[2])[0]).toBe(
      'bytes=1000-',
    )
    expect(hub.requests.filter((request) => request.startsWith('GET /model'))).toHaveLength(2)
  })

  it('is checked, and begun anew where what was there was another file', async () => {
    await start({ 'model.safetensors': weights })
    mkdirSync(join(folder(), 'blobs'), { recursive: true })
    writeFileSync(join(folder(), 'blobs', `${sha256}.incomplete`), Buffer.alloc(1000, 1))
    expect(await read('model.safetensors')).toEqual(weights)
    await hub.close()
    rmSync(folder(), { recursive: true })
    await start({ 'model.safetensors': weights })
    hub.before.push((request, response) => {
      if (request.url !== '/model.safetensors') return false
      response.end(Buffer.alloc(weights.length, 9))
      return true
    })
    expect(await messageOf(read('model.safetensors'))).toContain(`the hub says ${sha256}`)
    expect(existsSync(join(folder(), 'blobs', sha256))).toBe(false)
  })

  it('is made once by several that ask at once', async () => {
    await start({ 'model.safetensors': weights })
    const all = await Promise.all([1, 2, 3].map(() => read('model.safetensors')))
    for (const one of all) expect(one).toEqual(weights)
    expect(hub.requests.filter((request) => request.startsWith('GET /model'))).toHaveLength(1)
  })

  it('ends with its signal, and leaves what has come', async () => {
    await start({ 'model.safetensors': weights })
    const controller = new AbortController()
    hub.before.push((request, response) => {
      if (request.url !== '/model.safetensors') return false
      response.writeHead(200, { 'content-length': weights.length })
      response.write(weights.subarray(0, 4096))
      return true // and hangs
    })
    const options = { signal: controller.signal, onProgress: ({ completed }: ProgressEvent) => void (completed > 0 && controller.abort()) }
    await expect(read('model.safetensors', options)).rejects.toMatchObject({ name: 'AbortError' })
    expect(readFileSync(join(folder(), 'blobs', `${sha256}.incomplete`)).length).toBe(4096)
    expect(readdirSync(join(cacheFolder, '.locks/models--owner--name'))).toEqual([])
  })

  it('waits as it is told to', async () => {
    await start({ 'config.json': Buffer.from('{}') })
    let refusals = 0
    hub.before.push((_, response) => {
      if (refusals++ > 1) return false
      response.writeHead(429, { 'retry-after': '0' }).end()
      return true
    })
    expect((await read('config.json')).toString()).toBe('{}')
  })
})

describe('what is refused', () => {
  it('says what to do', async () => {
    await start({ 'config.json': Buffer.from('{}'), 'a.gguf': weights, 'sub/b.gguf': weights })
    expect(await messageOf(hubFiles('owner/gated', {}))).toMatch(/gated; ask for access .*set HF_TOKEN/)
    expect((await hubFiles('owner/gated', { token: 'secret' })).names).toContain('config.json')
    process.env['HF_TOKEN'] = 'secret'
    const source = await (await hubFiles('owner/gated', {})).open('a.gguf')
    await source!.dispose?.()
    expect(hub.leaked).toEqual([])
    expect(await messageOf(hubFiles('owner/none', {}))).toContain('no such model, or it is private')
    expect(await messageOf(hubFiles('owner/name@v9', {}))).toContain('no revision v9')
    expect(await messageOf(hubFiles('owner/name/c.gguf', {}))).toContain('it has a.gguf, sub/b.gguf')
    const below = await hubFiles('owner/name/sub/b.gguf', {})
    expect([below.entry, below.names]).toEqual(['b.gguf', ['b.gguf']])
    expect(await messageOf(loadModel('hf:a/../b'))).toContain('expected hf:owner/name')
  })
})
