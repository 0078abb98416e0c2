/** Device 'webgpu' in Chromium, on its software adapter: a page as in `browser.test.ts`. The acceptance command goes through every sample. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answersOf, fixtures } from '../../packages/transformer/src/checkpoints/testing/parity.js'
import { noChromium } from './chromium.js'
import { executable, openedPage } from './opened-page.js'
import { sharedData } from './webgpu-page.js'

const haveStories = ['stories260K.bin', 'tok512.bin', 'stories260K.expected.json'].every((name) => existsSync(join(sharedData, name)))
const opened = openedPage()

describe('WebGPU in Chromium', () => {
  it.for(['page', 'worker'] as const)(
    'computes products, softmax, gradients and jitted steps as the reference does, in a %s',
    async (place, { skip }) => {
      skip(executable === undefined, noChromium)
      expect(await opened().run(place, 'values', { device: 'webgpu' })).toEqual([])
    },
  )

  it('gives the values and gradients of the first sample of every row', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { count, problems } = await opened().run('page', 'conformance', { device: 'webgpu', first: true })
    expect(problems).toEqual([])
    expect(count).toBeGreaterThan(60)
  })

  it('gives them as kernels are cut for graphics processors', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const rows = ['matmul', 'softmax', 'layerNorm', 'crossEntropy', 'attention', 'attendCached']
    const { count, problems } = await opened().run('page', 'conformance', { device: 'webgpu', form: 'gpu', rows, first: true })
    expect(problems).toEqual([])
    expect(count).toBe(rows.length)
  })

  it('sorts, adds up and adds at indices at the edges of how lines are cut', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const names = ['order of a line of three merges', '12001 updates of rows, no pattern', 'any number of updates']
    const software = await opened().run('page', 'lineEdges', { every: 4, names })
    expect(software.problems).toEqual([])
    expect(software.count).toBeGreaterThan(20)
    // Barriers in loops take its compiler a second or more.
    const graphics = await opened().run('page', 'lineEdges', {
      form: 'gpu',
      names: ['order of [31', 'running sum of [4,257]', '17 updates of rows'],
    })
    expect(graphics).toEqual({ count: 4, problems: [] })
  })

  it('gives the tokens of Gemma 3 as transformers does, past its window', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { prompt, greedy, last } = answersOf('gemma3.gguf')
    const gguf = readFileSync(join(fixtures, 'gemma3.gguf')).toString('base64')
    const found = await opened().run('page', 'continued', { gguf, prompt, tokens: greedy.length, device: 'webgpu' })
    expect(found.ids).toEqual(greedy)
    expect(Math.max(...found.last.map((value, i) => Math.abs(value - last[i]!)))).toBeLessThan(1e-3)
  })

  it('continues a prompt of stories260K as llama2.c does', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    skip(
      !haveStories,
      'needs stories260K.bin, tok512.bin and stories260K.expected.json in ../shared/data, which is not part of the repository',
    )
    const [{ prompt, prompt_ids, greedy_ids }] = JSON.parse(readFileSync(join(sharedData, 'stories260K.expected.json'), 'utf8')) as [
      { prompt: string; prompt_ids: number[]; greedy_ids: number[] },
    ]
    const expected = greedy_ids.slice(prompt_ids.length - 1, prompt_ids.length + 11)
    const { ids } = await opened().run('page', 'stories', { folder: '/data', prompt, maxTokens: expected.length, device: 'webgpu' })
    expect(ids).toEqual(expected)
  })

  it('generates the same with a cache and without, and leaves nothing behind', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { cached, uncached, reference, liveBuffers, programs } = await opened().run('page', 'caches', { device: 'webgpu' })
    expect(uncached).toEqual(cached)
    expect(reference).toEqual(cached)
    expect({ liveBuffers, programs }).toEqual({ liveBuffers: 0, programs: 0 })
  })

  it('prepares nothing anew for the later tokens of a generation', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    // Each token's logits are read through a buffer of their own.
    expect(await opened().run('page', 'replay', { tokens: 10 })).toEqual({
      createBindGroup: 0,
      createBuffer: 10,
      createComputePipelineAsync: 0,
    })
  })

  it('computes samples whose tensors take several bindings and buffers', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const limits = { maxStorageBufferBindingSize: 256, maxBufferSize: 512 }
    const rows = ['add', 'matmul', 'softmax', 'layerNorm', 'concat', 'gather', 'attention', 'attendCached', 'cumsum', 'sort']
    const { count, problems, split } = await opened().run('page', 'largeTable', { limits, rows })
    expect(problems).toEqual([])
    expect(count).toBe(rows.length)
    expect(split).toBeGreaterThan(3)
  })

  // It trains as well in acceptance row operations, whose kernels take long to compile here.
  it('generates with weights that take several bindings and buffers', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const limits = { maxStorageBufferBindingSize: 4096, maxBufferSize: 4096 }
    const { split, same, liveBytes } = await opened().run('page', 'large', { limits })
    expect({ same, liveBytes }).toEqual({ same: true, liveBytes: 0 })
    expect(split).toBeGreaterThan(3)
  }, 120_000)

  it('moves tensors between all devices, bit for bit', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    expect(await opened().run('page', 'moves', {})).toEqual([])
  })

  it('was quiet on the console', ({ skip }) => {
    skip(executable === undefined, noChromium)
    expect(opened().messages).toEqual([])
  })
})
