/** What WebGPU does when memory runs out or the device goes away, in Chromium: nothing hangs, every error is typed, nothing is left behind. */
import { describe, expect, it } from 'vitest'
import { noChromium } from './chromium.js'
import { executable, openedPage } from './opened-page.js'
import { openWebGpuPage } from './webgpu-page.js'

const opened = openedPage()

const lost = (how: string) => ({
  code: 'DEVICE_LOST',
  message: expect.stringMatching(new RegExp(`was lost \\(${how}\\).*resolveDevice`, 's')) as unknown,
})

describe('WebGPU in Chromium', () => {
  it("is not what 'auto' takes where the adapter is software", async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const found = await opened().run('page', 'choice', {})
    expect(found).toMatchObject({ webgpu: { code: 'none' }, auto: 'cpu', same: true })
    expect(found.passed.map(({ route }) => route)).toEqual(['cuda', 'webgpu'])
    expect(found.passed[1]!.reason).toMatch(/^its adapter swiftshader is software/)
  })

  it('says what to do where there is no adapter', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    await using without = await openWebGpuPage(executable!, ['--disable-gpu', '--disable-features=WebGPUService'])
    const { webgpu, auto, passed } = await without.run('page', 'choice', {})
    expect(webgpu).toEqual({
      code: 'DEVICE',
      message: expect.stringMatching(/^WebGPU found no adapter\. Switch hardware acceleration on.*or use device 'cpu'$/) as unknown,
    })
    expect({ auto, reason: passed[1]!.reason }).toEqual({ auto: 'cpu', reason: webgpu.message })
  })

  it('says how much memory was asked for and is in use, and computes on', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const found = await opened().run('page', 'exhausted', {})
    const { largestTensor } = found
    const none = (live: number) => ({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        new RegExp(
          `has no memory for ${largestTensor} bytes \\(a tensor\\); ${live} bytes are in \\d+ tensors?(?: and 256 for temporaries)?\\. Dispose tensors`,
        ),
      ) as unknown,
    })
    expect(found.realized).toEqual(none(4)) // the one tensor that there is
    expect(found.repeated).toEqual(none(4))
    expect(found.jitted).toEqual(none(12)) // with the argument and the other result
    expect(found.allocated).toEqual(none(8))
    expect(found.donated).toEqual([5])
    expect(found.tooLarge).toEqual({
      code: 'OUT_OF_MEMORY',
      message: expect.stringContaining(
        `holds at most ${largestTensor} bytes in one tensor, and was asked for ${largestTensor + 4}`,
      ) as unknown,
    })
    expect(found.betweenOperations).toEqual({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        /^\w+ reads and writes \d tensors in \d+ ranges of \d+ bytes; the device reaches \d+ at a time/,
      ) as unknown,
    })
    expect(found).toMatchObject({ afterwards: 0, live: 0, computes: true })
  })

  it('refuses a model with a weight that is larger than it takes, before anything is allocated', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { refused, peakBytes, largestTensor } = await opened().run('page', 'largeWeight', {})
    expect(refused).toEqual({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(
        new RegExp(
          `'embedding.weight', takes \\S+ GiB \\(${2 * largestTensor} bytes\\), and the device holds at most \\S+ GiB \\(${largestTensor} bytes\\) in one`,
        ),
      ) as unknown,
    })
    expect(peakBytes).toBe(0)
  })

  it('rejects with DEVICE_LOST in the middle of generation, and generates the same on a new device', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const found = await opened().run('page', 'lostWhileGenerating', { by: 'call' })
    expect(found.failure).toEqual(lost('destroyed'))
    expect(found.next).toEqual(lost('destroyed'))
    expect(found.before).toEqual(found.expected.slice(0, 4))
    expect(found.again).toEqual(found.expected)
    expect(found).toMatchObject({ liveBytes: 0, liveBuffers: 0, isFresh: true })
  })

  it('rejects with DEVICE_LOST in the middle of training', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const found = await opened().run('page', 'lostWhileTraining', {})
    expect(found.steps).toBe(4)
    for (const outcome of found.outcomes) expect(outcome).toEqual(lost('destroyed'))
    expect(found).toMatchObject({ liveBytes: 0, liveBuffers: 0, computes: true })
  })

  it('was quiet on the console', ({ skip }) => {
    skip(executable === undefined, noChromium)
    expect(opened().messages).toEqual([])
  })

  it('goes on when the GPU process ends', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const generating = opened().run('page', 'lostWhileGenerating', { by: 'browser' })
    await new Promise((resolve) => setTimeout(resolve, 3000)) // in the middle of it, or before; either way it is lost
    await opened().crashGpu()
    const found = await generating
    expect(found.failure).toEqual(lost('unknown'))
    expect(found.again).toEqual(found.expected)
    expect(found).toMatchObject({ liveBytes: 0, liveBuffers: 0, isFresh: true })
  })
})
