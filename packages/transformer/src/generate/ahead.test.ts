import { referenceDevice, resolveDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { createModel } from './model.js'
import type { Generation, TokenEvent } from './types.js'

const config = llama({ vocabSize: 13, width: 32, layers: 2, heads: 4, kvHeads: 2, headWidth: 8, hidden: 24, context: 96 })
const open = (device: Device) =>
  createModel({ config, weights: initWeights(config, { seed: 4 }), device, maxStreams: 4, prefixCache: false })
const turns = (count: number): Promise<void> =>
  count === 0 ? Promise.resolve() : new Promise((resolve) => setImmediate(() => resolve(turns(count - 1))))

/** A reference device that counts its runs, and says that it computes beside JavaScript. */
function counting(background: boolean) {
  const device = referenceDevice()
  const run = device.run.bind(device)
  let runs = 0
  const counted: Device = Object.assign(device, {
    caps: { ...device.caps, ...(background ? { background: true as const } : {}) },
    run: (...args: Parameters<Device['run']>) => {
      runs++
      return run(...args)
    },
  })
  return { device: counted, runs: () => runs }
}

describe('the next step', () => {
  it.each([true, false])('runs while the last token is looked at, where the device computes beside JavaScript: %s', async (background) => {
    const { device, runs } = counting(background)
    using model = await open(device)
    const all = (await model.generate([1, 2], { maxTokens: 5 })).ids
    const before = runs()
    await model.generate([1, 2], { maxTokens: 5 })
    const each = runs() - before
    const stream = model.stream([1, 2], { maxTokens: 5 })
    const events: TokenEvent[] = []
    const counts: number[] = []
    const start = runs()
    for await (const event of stream) {
      events.push(event)
      await turns(10)
      counts.push(runs() - start)
    }
    expect(events.map(({ id }) => id)).toEqual(all)
    const first = each - 4
    // Behind the last token nothing is computed.
    expect(counts).toEqual(background ? [first + 1, first + 2, first + 3, each, each] : [first, first + 1, first + 2, first + 3, each])
  })

  it('is told of an abort, and leaves its memory, however a stream ends meanwhile', async () => {
    const device = await resolveDevice('cpu')
    const model = await open(device)
    const idle = device.memory().liveBuffers
    const take = async (signal?: AbortSignal) => {
      const stream = model.stream([1, 2, 3], { maxTokens: 50, ...(signal === undefined ? {} : { signal }) })
      await stream.next()
      await stream.next()
      return stream
    }
    const controller = new AbortController()
    const stream = await take(controller.signal)
    controller.abort()
    await expect(stream.next()).rejects.toMatchObject({ name: 'AbortError' })
    for (const left of await Promise.all([take(), take(), take()])) await left.return()
    await turns(10)
    await device.sync()
    await turns(10)
    // Places that were taken once wait for the next text.
    const waiting = device.memory().liveBuffers
    for (const left of await Promise.all([take(), take(), take()])) await left.return()
    await turns(10)
    await device.sync()
    await turns(10)
    expect(device.memory().liveBuffers).toBe(waiting)
    const last = await take()
    model.dispose()
    await expect(last.next()).rejects.toMatchObject({ code: 'DISPOSED' })
    await device.sync()
    await turns(10)
    expect(device.memory().liveBuffers).toBe(idle)
  })

  it('reports log-probabilities of the step that chose, of many streams at once', async () => {
    const device = await resolveDevice('cpu')
    using model = await open(device)
    const prompts = [[1], [2, 3], [4, 5, 6]]
    const options = { maxTokens: 12, logprobs: 3 }
    const alone: Generation[] = []
    for (const prompt of prompts) alone.push(await model.generate(prompt, options))
    const together = await Promise.all(prompts.map((prompt) => model.generate(prompt, options)))
    for (const [i, { ids, top, logprobs }] of together.entries()) {
      expect(ids).toEqual(alone[i]!.ids)
      logprobs!.forEach((logprob, at) => {
        expect(Math.abs(logprob - alone[i]!.logprobs![at]!)).toBeLessThan(1e-4)
        expect(top![at]!.some((one) => Math.abs(one.logprob - logprob) < 1e-6)).toBe(true)
      })
    }
  })

  it('leaves alone what others still look at', async () => {
    using model = await open(await resolveDevice('cpu'))
    using a = model.open([1, 2, 3])
    using b = model.open([4, 5])
    const [seen] = await Promise.all([a.look(), b.look()])
    const copy = seen.slice()
    for (let id = 0; id < 6; id++) {
      b.ids.push(id)
      await (id % 2 === 0 ? b.look() : b.next())
    }
    expect(seen).toEqual(copy)
  })
})
