import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from 'node:net'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'
import { serve, type LmServer, type ServeOptions } from './server.js'

/** A model that waits before each token until it is let go on. */
class Pace {
  steps = 0
  private free = true
  private wake: (() => void)[] = []
  readonly onStep = async (): Promise<void> => {
    this.steps++
    if (!this.free) await new Promise<void>((resolve) => this.wake.push(resolve))
  }
  hold(): void {
    this.free = false
  }
  step(): void {
    this.wake.splice(0).forEach((resolve) => resolve())
  }
  release(): void {
    this.free = true
    this.step()
  }
}

const pace = new Pace()
let lm: Lm
beforeAll(async () => {
  lm = await tinyLm({ onStep: pace.onStep })
})
afterAll(() => lm.dispose())

const open = (options: ServeOptions = {}): Promise<LmServer> => serve({ models: { tiny: lm } }, { port: 0, ...options })
const ask = (server: LmServer, fields: object = {}, signal?: AbortSignal): Promise<Response> =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], max_tokens: 6, ...fields }),
    ...(signal === undefined ? {} : { signal }),
  })
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
const gauge = async (server: LmServer, name: string): Promise<number> =>
  Number(new RegExp(`^${name}\\{model="tiny"\\} (\\d+)$`, 'm').exec(await (await fetch(`${server.url}/metrics`)).text())![1])

describe('serve', () => {
  it('refuses with 429 and Retry-After when the line is full, and goes on with those that wait', async () => {
    await using server = await open({ limits: { concurrency: 1, queue: 1 } })
    pace.hold()
    const first = ask(server)
    while ((await gauge(server, 'tesserae_answers_running')) !== 1);
    const second = ask(server)
    while ((await gauge(server, 'tesserae_answers_waiting')) !== 1);
    const third = await ask(server)
    expect(third.status).toBe(429)
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(await third.json()).toMatchObject({ error: { code: 'queue_full', type: 'rate_limit_error' } })
    pace.release()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
    expect((await ask(server)).status).toBe(200)
  })

  it('stops within one step when the client hangs up, streaming or not, running or waiting', async () => {
    await using server = await open({ limits: { concurrency: 1, queue: 4 } })
    for (const stream of [true, false]) {
      pace.hold()
      const controller = new AbortController()
      const before = pace.steps
      const call = ask(server, { stream, max_tokens: 100 }, controller.signal)
      await until(() => pace.steps === before + 1)
      const waiting = new AbortController()
      const second = ask(server, {}, waiting.signal).catch(() => 'gone')
      while ((await gauge(server, 'tesserae_answers_waiting')) !== 1);
      waiting.abort()
      expect(await second).toBe('gone')
      while ((await gauge(server, 'tesserae_answers_waiting')) !== 0);
      const body = stream ? (await call).text() : call
      const ended = body.catch(() => 'gone')
      controller.abort()
      expect(await ended).toBe('gone')
      await new Promise((resolve) => setTimeout(resolve, 50)) // until the server has heard of it
      pace.release()
      while ((await gauge(server, 'tesserae_answers_running')) !== 0);
      expect(pace.steps - before).toBeLessThanOrEqual(2)
    }
  })

  it('ends an answer that takes too long, with 504 or an event of its stream', async () => {
    await using server = await open({ limits: { requestSeconds: 0.1 } })
    pace.hold()
    setTimeout(() => pace.release(), 300)
    const late = ask(server)
    const stream = await ask(server, { stream: true })
    const answer = await late
    expect(answer.status).toBe(504)
    expect(await answer.json()).toMatchObject({ error: { code: 'timeout' } })
    const text = await stream.text()
    expect(text).toMatch(/"code":"timeout"/)
    expect(text).not.toContain('[DONE]')
  })

  it('lets answers end when it shuts down, and takes no new ones', async () => {
    const controller = new AbortController()
    const server = await open({ signal: controller.signal })
    const idle = connect(server.port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    const idleClosed = new Promise((resolve) => idle.once('close', resolve))
    pace.hold()
    const stream = await ask(server, { stream: true })
    controller.abort()
    await idleClosed
    await expect(ask(server)).rejects.toThrow('fetch failed')
    pace.release()
    expect(await stream.text()).toContain('[DONE]')
    await server.closed
  })

  it('ends answers that outlast the shutdown', async () => {
    const server = await open()
    pace.hold()
    const stream = await ask(server, { stream: true, max_tokens: 400 })
    const text = stream.text()
    const closing = server.close(0.05)
    setTimeout(() => pace.release(), 100)
    await closing
    expect(await text.catch(() => '')).not.toContain('[DONE]')
  })

  it('waits where a client does not read', async () => {
    await using server = await open({ limits: { concurrency: 1 } })
    pace.release()
    const logprobs = { logprobs: true, top_logprobs: 20, stream: true, max_tokens: 450, n: 8 }
    const before = pace.steps
    const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], ...logprobs, temperature: 0.1 })
    const socket = connect(server.port, '127.0.0.1')
    socket.pause()
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let last = -1
    await until(() => pace.steps > before)
    while (pace.steps !== last) {
      last = pace.steps
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(pace.steps - before).toBeLessThan(8 * 450)
    socket.destroy()
    while ((await gauge(server, 'tesserae_answers_running')) !== 0);
  })

  it('answers pages of the origins that it knows', async () => {
    await using server = await open({ cors: ['https://a.example'] })
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${server.url}/v1/chat/completions`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' },
      })
    const known = await preflight('https://a.example')
    expect(known.status).toBe(204)
    expect(known.headers.get('access-control-allow-origin')).toBe('https://a.example')
    expect(known.headers.get('access-control-allow-headers')).toContain('authorization')
    const other = await preflight('https://b.example')
    expect(other.status).toBe(405)
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })

  it('tells of each request, and of errors that clients are not told of', async () => {
    const requests: unknown[] = []
    const errors: unknown[] = []
    const broken = {
      ...lm,
      stream: async function* () {
        yield* []
        throw new Error('secret')
      },
    } as unknown as Lm
    await using server = await serve(
      { models: { tiny: lm, broken } },
      { port: 0, onRequest: (one) => requests.push(one), onError: (error) => errors.push(error) },
    )
    await (await ask(server)).text()
    const failed = await ask(server, { model: 'broken' })
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain('secret')
    await until(() => requests.length === 2)
    expect(requests).toMatchObject([{ path: '/v1/chat/completions', status: 200, model: 'tiny', completionTokens: 6 }, { status: 500 }])
    expect(String(errors)).toContain('secret')
  })

  it('refuses options that are none', async () => {
    await expect(serve({}, { port: 0 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open({ port: -1 })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open({ apiKeys: [''] })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open({ limits: { queue: -1 } })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(open({ limits: { que: 1 } as object })).rejects.toThrow('limits has no que')
    await using server = await open()
    await expect(open({ port: server.port })).rejects.toThrow('is taken')
  })
})
