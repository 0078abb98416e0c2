import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saveModel } from '../../checkpoints/node/model.js'
import { chatModel, toolTemplate } from '../../lm/testing/chat-model.js'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm, LmPart } from '../../lm/types.js'
import { loadModel } from '../../load/load.js'
import { serve } from '../../serve/node/server.js'
import { bundledWorker } from '../testing/bundled.js'
import { cell } from '../testing/tiny-worker.js'
import { workerModel as start, type WorkerModelOptions, type WorkerModule } from './worker-model.js'

let module: URL
const workerModel = async (source: string | WorkerModule, options: WorkerModelOptions = {}): Promise<Lm> =>
  start(source, { ...(await bundledWorker()).worker, ...options })
const messages = [{ role: 'user', content: 'the whale' }] as const
const shared = new SharedArrayBuffer(4 * cell.count)
const cells = new Int32Array(shared)
const counted = (): number => Atomics.load(cells, cell.steps)
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}
const settled = async (): Promise<number> => {
  for (let last = -1; ;) {
    if (counted() === last) return last
    last = counted()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

beforeAll(async () => {
  module = (await bundledWorker()).tiny
})

describe('workerModel', () => {
  let worker: Lm
  let here: Lm
  beforeAll(async () => {
    ;[worker, here] = await Promise.all([workerModel({ module, data: { cells: shared } }), tinyLm()])
  })
  afterAll(() => Promise.all([worker.dispose(), here.dispose()]))

  it('gives what the model gives: texts, ids, log-probabilities, calls, objects', async () => {
    expect(worker.info).toEqual(here.info)
    expect(await worker.tokenize(messages)).toEqual(await here.tokenize(messages))
    const options = { maxTokens: 6, logprobs: 2, sampler: { temperature: 1, seed: 3 } }
    const same = async (prompt: Parameters<Lm['generate']>[0], call: object): Promise<void> => {
      const { seconds: _, usage, toolCalls, logprobs, ...expected } = await here.generate(prompt, call)
      const answer = await worker.generate(prompt, call)
      expect(answer).toMatchObject({ ...expected, usage: { completionTokens: usage.completionTokens } })
      expect(answer.logprobs?.map(({ id, bytes }) => [id, bytes])).toEqual(logprobs?.map(({ id, bytes }) => [id, bytes]))
      expect(answer.toolCalls.map((made) => made.arguments)).toEqual(toolCalls.map((made) => made.arguments))
    }
    await same(messages, options)
    await same(await here.tokenize('the ship'), options)
    const tool = { name: 'look', parameters: { enum: [{ at: 'sea' }] } }
    await same(messages, { tools: [tool], toolChoice: 'required', parallelToolCalls: false })
    await same(messages, { schema: { enum: ['a', 'b'] } })
    // Numbers end with the answer, and other values by themselves.
    for (const bare of [7, -2.5, true, null]) {
      expect((await worker.generate(messages, { schema: { const: bare } })).object).toBe(bare)
      await same(messages, { schema: { const: bare } })
    }
    const withCode = await worker.generate(messages, { tools: [{ ...tool, execute: () => 'kept here' }], toolChoice: { name: 'look' } })
    expect(withCode.toolCalls[0]!.arguments).toEqual({ at: 'sea' })
  })

  it('validates by a Standard Schema here', async () => {
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => ({ value: { was: value } }),
        jsonSchema: { input: () => ({ enum: ['seven'] }) },
      },
    } as const
    expect((await worker.generate(messages, { schema })).object).toEqual({ was: 'seven' })
  })

  it('stops within a step of its signal, and where the reader leaves or is slow', async () => {
    await settled()
    const controller = new AbortController()
    const parts: LmPart[] = []
    const run = async (): Promise<void> => {
      for await (const part of worker.stream(messages, { maxTokens: 400, signal: controller.signal }))
        if (parts.push(part) === 3) controller.abort()
    }
    let before = counted()
    await expect(run()).rejects.toMatchObject({ name: 'AbortError' })
    expect((await settled()) - before).toBeLessThan(100)
    before = counted()
    for await (const part of worker.stream(messages, { maxTokens: 400 })) if (part.type === 'text') break
    expect((await settled()) - before).toBeLessThan(100)
    before = counted()
    const slow = worker.stream(messages, { maxTokens: 400 })
    await slow.next()
    expect((await settled()) - before).toBeLessThan(40)
    await slow.return()
    await expect(worker.generate(messages, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('passes errors on with their codes', async () => {
    await expect(worker.generate('y'.repeat(2000))).rejects.toMatchObject({ name: 'TransformerError', code: 'CAPACITY' })
    await expect(worker.generate(messages, { sampler: { temperature: -1 } })).rejects.toMatchObject({
      name: 'SamplingError',
      code: 'VALUE',
    })
    await expect(worker.generate(messages, { sampler: { choose: () => 0 } })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(worker.generate(messages, { templateVariables: { f: () => 1 } })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('lets /health answer while it computes', async () => {
    await using server = await serve(worker, { port: 0 })
    const before = counted()
    Atomics.store(cells, cell.held, 1)
    const answer = fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'tiny', prompt: 'the', max_tokens: 5 }),
    })
    await until(() => counted() > before)
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    Atomics.store(cells, cell.held, 0)
    Atomics.notify(cells, cell.held)
    expect((await answer).status).toBe(200)
  })
})

describe('workers that fail', () => {
  it('fail to load with the error of loading', async () => {
    await expect(workerModel({ module, data: { fail: 'damaged' } })).rejects.toMatchObject({ code: 'CHECKPOINT', message: 'damaged' })
    await expect(workerModel({ module: new URL('data:text/javascript,') })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(workerModel({ module }, { restart: { limit: -1 } })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(workerModel({ module }, { restart: { delay: 1 } as object })).rejects.toThrow('restart has no delay')
    await expect(workerModel({ module }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const controller = new AbortController()
    const loading = workerModel({ module }, { signal: controller.signal })
    controller.abort()
    await expect(loading).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('are started again, with a limit, and the server tells', async () => {
    const events: string[] = []
    const lm = await workerModel(
      { module, data: { cells: shared } },
      { restart: { limit: 2, delaySeconds: 0.02 }, onWorker: ({ type, worker }) => events.push(`${worker} ${type}`) },
    )
    await using server = await serve({ models: { tiny: lm } }, { port: 0 })
    const health = async () => {
      const response = await fetch(`${server.url}/health`)
      return [response.status, await response.json()] as const
    }
    const metric = async (name: string): Promise<string | undefined> =>
      new RegExp(`^tesserae_model_${name}\\{model="tiny"\\} (\\d+)$`, 'm').exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]
    expect(await health()).toEqual([200, { status: 'ok' }])
    Atomics.store(cells, cell.dies, 1)
    const calls = [lm.generate(messages), lm.generate(messages)]
    const died = { code: 'REMOTE', message: expect.stringContaining('exit code 3') }
    for (const result of await Promise.allSettled(calls)) expect(result).toMatchObject({ status: 'rejected', reason: died })
    expect(await health()).toEqual([
      503,
      { status: 'unavailable', models: { tiny: { copies: 1, ready: 0, restarts: 0, reasons: [expect.stringContaining('exit code 3')] } } },
    ])
    await expect(lm.generate(messages)).rejects.toMatchObject({
      code: 'REMOTE',
      message: expect.stringContaining('is being started again'),
    })
    await until(() => lm.health!().ready === 1)
    expect((await lm.generate(messages, { maxTokens: 2 })).usage.completionTokens).toBe(2)
    expect(await health()).toEqual([200, { status: 'ok' }])
    expect([await metric('copies_ready'), await metric('restarts_total')]).toEqual(['1', '1'])
    Atomics.store(cells, cell.dies, 2) // and the next start fails
    await expect(lm.generate(messages)).rejects.toMatchObject(died)
    await until(() => lm.health!().reasons[0]?.includes('not started again') === true)
    expect(await health()).toMatchObject([503, { models: { tiny: { reasons: ['the disk is gone; it is not started again'] } } }])
    expect(await metric('copies_ready')).toBe('0')
    expect(events).toEqual(['0 died', '0 started', '0 died', '0 failed'])
    Atomics.store(cells, cell.dies, 0)
    await lm.dispose()
    await expect(lm.generate(messages)).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('load a checkpoint by its path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-model-'))
    await expect(workerModel(join(folder, 'nothing'))).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringContaining('nothing at the path'),
    })
    const { tokenizer, ...loaded } = await chatModel(toolTemplate)
    await saveModel(folder, loaded)
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer.toJSON()))
    const [lm, here] = await Promise.all([workerModel(folder, { context: 64, id: 'saved' }), loadModel(folder, { context: 64 })])
    expect(lm.info).toEqual({ ...here.info, id: 'saved' })
    expect((await lm.generate('the ship', { maxTokens: 5 })).tokens).toEqual((await here.generate('the ship', { maxTokens: 5 })).tokens)
    await Promise.all([lm.dispose(), here.dispose(), rm(folder, { recursive: true })])
  })

  it('share calls, go on without one that died until it is back, and end calls when they are disposed', async () => {
    const lm = await workerModel({ module, data: { cells: shared } }, { workers: 2, restart: { delaySeconds: 0.5 } })
    const say = (seed: number, maxTokens: number) => lm.generate(messages, { maxTokens, sampler: { temperature: 1, seed } })
    const texts = await Promise.all([1, 2, 3, 4].map(async (seed) => (await say(seed, 5)).text))
    expect(new Set(texts).size).toBe(4)
    await settled() // a worker that still ends its last answer would die of it
    Atomics.store(cells, cell.dies, 1)
    await expect(say(1, 5)).rejects.toMatchObject({ code: 'REMOTE' })
    expect(lm.health!()).toMatchObject({ copies: 2, ready: 1 })
    const without = await Promise.all([1, 2, 3].map((seed) => say(seed, 5)))
    expect(without.map(({ usage }) => usage.completionTokens)).toEqual([5, 5, 5])
    await until(() => lm.health!().ready === 2)
    Atomics.store(cells, cell.dies, 1) // one of them dies again, and the other is asked next
    await expect(say(1, 5)).rejects.toMatchObject({ code: 'REMOTE' })
    expect(lm.health!()).toMatchObject({ copies: 2, ready: 1, restarts: 1 })
    expect((await say(1, 5)).text).toBe(texts[0])
    const calls = [say(1, 400), say(2, 400)].map((call) => expect(call).rejects.toMatchObject({ code: 'DISPOSED' }))
    await lm.dispose()
    await Promise.all(calls)
    await expect(say(1, 1)).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})
