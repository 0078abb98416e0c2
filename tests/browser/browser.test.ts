/** Chromium, in a page and in a module worker, with and without shared memory: device 'cpu' is onnxruntime-web there. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPage } from './build-page.js'
import { findChromium, launchChromium, noChromium } from './chromium.js'
import type { CheckInput, CheckName, CheckOutput, CheckRunner, Place } from './page/protocol.js'
import { serveFolders, type StaticServer } from './server.js'

const goldens = new URL('../../packages/tensor/src/__fixtures__/goldens/', import.meta.url)
const data = fileURLToPath(new URL('../../../shared/data', import.meta.url))
const checkpoints = fileURLToPath(new URL('../../packages/transformer/src/checkpoints/__fixtures__', import.meta.url))
const stories = ['stories260K.bin', 'tok512.bin', 'stories260K.expected.json']
const noStories = `needs ${stories.join(', ')} in ../shared/data, which is not part of the repository`
const haveStories = stories.every((name) => existsSync(join(data, name)))

interface Story {
  readonly prompt: string
  readonly prompt_ids: readonly number[]
  /** From the second token on: the rest of the prompt, then what is sampled. */
  readonly greedy_ids: readonly number[]
}

const executable = findChromium()
const scratch = mkdtempSync(join(tmpdir(), 'tesserae-browser-'))
let browser: Browser | undefined
const servers: StaticServer[] = []

beforeAll(async () => {
  if (executable === undefined) return
  await buildPage(scratch)
  browser = await launchChromium(executable)
}, 60_000)

afterAll(async () => {
  await browser?.close()
  for (const server of servers) await server[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})

/** A page of its own server, and what it says on its console. */
async function openPage(isolated: boolean): Promise<{ page: Page; server: StaticServer; messages: string[] }> {
  const server = await serveFolders({ folders: { '/': scratch, '/data/': data, '/checkpoints/': checkpoints }, isolated })
  servers.push(server)
  const page = await browser!.newPage()
  const messages: string[] = []
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
  await page.goto(server.origin)
  await page.waitForFunction(() => 'runCheck' in globalThis)
  return { page, server, messages }
}

const settings: readonly { name: string; place: Place; isolated: boolean; rows?: readonly string[]; files?: readonly string[] }[] = [
  // Everything once, where it is quickest to look at; elsewhere a dozen rows of every kind.
  { name: 'in a page', place: 'page', isolated: true },
  {
    name: 'in a worker',
    place: 'worker',
    isolated: true,
    rows: [
      'matmul',
      'softmax',
      'layerNorm',
      'gelu',
      'rope',
      'attention',
      'attendCached',
      'crossEntropy',
      'adamwStep',
      'sort',
      'scatterAdd',
      'cumsum',
      'randomBits',
    ],
    files: ['attention.json', 'reductions.json'],
  },
  { name: 'in a worker without shared memory', place: 'worker', isolated: false, rows: ['matmul', 'attendCached'], files: [] },
]

describe.each(settings)('Chromium, $name', ({ place, isolated, rows, files }) => {
  let opened: Awaited<ReturnType<typeof openPage>> | undefined
  beforeAll(async () => {
    if (executable !== undefined) opened = await openPage(isolated)
  }, 60_000)
  afterAll(async () => opened?.page.close())

  const run = <Name extends CheckName>(name: Name, input: CheckInput<Name>): Promise<CheckOutput<Name>> =>
    opened!.page.evaluate(
      ([where, check, given]) => (globalThis as unknown as { runCheck: CheckRunner }).runCheck(where, check, given as never),
      [place, name, input] as const,
    ) as Promise<CheckOutput<Name>>

  it('runs on WebAssembly, from files of the page itself', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const found = await run('environment', {})
    expect(found).toMatchObject({ isolated, worker: place === 'worker', warnings: [] })
    expect(found.inPlace).toBe(true)
    expect(found.threads).toBe(isolated ? Math.min(found.processors, 8) : 1)
    expect(found.description).toMatch(/^onnxruntime-web 1\.\d+\.\d+ \(WebAssembly\), \d+ threads?$/)
  })

  it('computes products, softmax, gradients and jitted steps as the reference does', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    expect(await run('values', {})).toEqual([])
  })

  it('learns', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { losses, weight } = await run('learning', { steps: 60 })
    expect(losses.at(-1)).toBeLessThan(1e-4)
    expect(weight[0]).toBeCloseTo(2, 1)
    expect(weight[1]).toBeCloseTo(-3, 1)
  })

  it('gives the values and gradients of the rows', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { count, problems } = await run('conformance', rows === undefined ? {} : { rows })
    expect(problems).toEqual([])
    expect(count).toBeGreaterThan((rows?.length ?? 400) * 2)
  })

  const chosen = readdirSync(goldens).filter((file) => file.endsWith('.json') && (files === undefined || files.includes(file)))
  it.for(chosen)("gives PyTorch's values: %s", async (file, { skip }) => {
    skip(executable === undefined, noChromium)
    const { count, problems } = await run('goldens', { text: readFileSync(new URL(file, goldens), 'utf8') })
    expect(problems).toEqual([])
    expect(count).toBeGreaterThan(0)
  })

  it('refuses what it cannot do with a message that fits a browser', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { bf16, shapes, cuda } = await run('refusals', {})
    expect(bf16.code).toBe('DTYPE')
    expect(bf16.message).toMatch(/cannot hold bf16 tensors; it holds f32, f16, .*Cast to f16 or f32 first$/)
    expect(shapes.code).toBe('SHAPE')
    expect(cuda.code).toBe('DEVICE')
    expect(cuda.message).toMatch(/^device 'cuda' needs NVIDIA's driver, which browsers do not give: .*Use device 'webgpu' or 'cpu'$/)
  })

  it('generates the same with a cache and without, and leaves nothing behind', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { cached, uncached, reference, liveBuffers, programs } = await run('caches', {})
    expect(cached).toHaveLength(24)
    expect(uncached).toEqual(cached)
    expect(reference).toEqual(cached)
    expect({ liveBuffers, programs }).toEqual({ liveBuffers: 0, programs: 0 })
  })

  it('continues both prompts of stories260K as llama2.c does', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    skip(!haveStories, noStories)
    for (const { prompt, prompt_ids, greedy_ids } of JSON.parse(readFileSync(join(data, 'stories260K.expected.json'), 'utf8')) as Story[]) {
      const expected = greedy_ids.slice(prompt_ids.length - 1)
      const { ids, text, roundTrip } = await run('stories', { folder: '/data', prompt, maxTokens: expected.length })
      expect(ids).toEqual(expected)
      expect(roundTrip).toBe(text)
    }
  })

  it('loads models out of files, blobs and addresses, which go on as they do in Node', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const prompt = [5, 9, 2, 33, 17, 40, 8]
    const found = await run('loaded', {
      gguf: '/checkpoints/qwen3.gguf',
      folder: '/checkpoints/qwen3-f32',
      names: readdirSync(join(checkpoints, 'qwen3-f32')),
      prompt,
      tokens: 12,
    })
    using model = await createModel({ ...(await loadCheckpoint(join(checkpoints, 'qwen3.gguf'))), device: 'cpu' })
    const { ids } = await model.generate(prompt, { maxTokens: 12 })
    for (const row of [...found.ggufs, ...found.folders]) expect(row).toEqual(ids)
    expect(found.progress).toBe(1)
  })

  it('encodes, decodes and streams text, and samples from a seed', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { samples, decoded, streamed, draws } = await run('text', {
      corpus: readFileSync(new URL('../../packages/tensor/README.md', import.meta.url), 'utf8'),
    })
    expect(decoded).toEqual(samples)
    expect(streamed).toEqual(samples)
    expect(draws[0]).toEqual(draws[1])
    expect(new Set(draws[0]).size).toBeGreaterThan(1)
  })

  it('was quiet on the console, and every file was there', ({ skip }) => {
    skip(executable === undefined, noChromium)
    // Models behind addresses are asked for files that not all of them have.
    const optional = opened!.server.missing.filter((path) => path.startsWith('/checkpoints/'))
    const refused = opened!.messages.filter((message) => message.includes('404'))
    expect(refused.length).toBeLessThanOrEqual(optional.length)
    expect(opened!.messages.filter((message) => !refused.includes(message))).toEqual([])
    expect(opened!.server.missing.filter((path) => !optional.includes(path))).toEqual([])
  })
})
