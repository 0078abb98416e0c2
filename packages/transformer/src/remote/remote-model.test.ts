import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { tinyLm } from '../lm/testing/tiny-lm.js'
import type { Lm, LmPart } from '../lm/types.js'
import { serve, type LmServer } from '../serve/node/server.js'
import { remoteModel } from './remote-model.js'

const weather = {
  name: 'weather',
  parameters: { type: 'object', properties: { at: { enum: ['sea', 'shore'] } }, required: ['at'], additionalProperties: false },
} as const
const messages = [{ role: 'user', content: 'the whale' }] as const
const sampler = { temperature: 0 }

describe('remoteModel with a server of our own', () => {
  let local: Lm
  let server: LmServer
  let remote: Lm
  beforeAll(async () => {
    local = await tinyLm()
    server = await serve(local, { port: 0, apiKeys: ['key'] })
    remote = await remoteModel({ url: `${server.url}/v1`, apiKey: 'key', server: 'tesserae' })
  })
  afterAll(async () => {
    await server.close(0)
    await local.dispose()
  })

  it('knows the model', () => {
    expect(remote.info).toMatchObject({ id: 'tiny', context: 512 })
  })

  it('gives what the model gives: conversations, texts, ids', async () => {
    const options = { maxTokens: 8, sampler: { temperature: 1.2, topK: 20, seed: 7 } }
    const ids = await local.tokenize('the ship')
    for (const prompt of [messages, 'the ship', ids]) {
      const [here, there] = [await local.generate(prompt, options), await remote.generate(prompt, options)]
      expect(there).toMatchObject({
        text: here.text,
        finishReason: here.finishReason,
        usage: { completionTokens: 8, promptTokens: here.usage.promptTokens },
      })
    }
  })

  it('streams, with log-probabilities', async () => {
    const options = { maxTokens: 6, logprobs: 2, sampler }
    const parts: LmPart[] = []
    for await (const part of remote.stream(messages, options)) parts.push(part)
    const here = await local.generate(messages, options)
    const last = parts.at(-1) as Extract<LmPart, { type: 'finish' }>
    expect(parts.length).toBeGreaterThan(3)
    expect(last.result.text).toBe(here.text)
    // What is computed before is kept, by programs of other sizes.
    last.result.logprobs!.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(here.logprobs![i]!.logprob, 5))
    expect(last.result.logprobs![0]!.top).toHaveLength(2)
    expect(Array.from(last.result.logprobs![0]!.bytes)).toEqual(Array.from(here.logprobs![0]!.bytes))
    const text = await remote.generate('the ship', { maxTokens: 3, logprobs: true })
    expect(text.logprobs).toHaveLength(3)
  })

  it('calls tools and keeps to schemas', async () => {
    const settings = { tools: [weather], toolChoice: 'required', parallelToolCalls: false, sampler } as const
    const here = await local.generate(messages, settings)
    const there = await remote.generate(messages, settings)
    expect(there.toolCalls).toMatchObject([{ name: 'weather', arguments: here.toolCalls[0]!.arguments }])
    expect(there.finishReason).toBe('tool-calls')
    const [call] = there.toolCalls
    const after = [
      ...messages,
      { role: 'assistant', content: '', toolCalls: [call!] },
      { role: 'tool', content: 'storm', toolCallId: call!.id },
    ] as const
    expect((await remote.generate(after, { maxTokens: 2 })).usage.completionTokens).toBe(2)
    const schema = { type: 'object', properties: { kind: { enum: ['whale', 'ship'] } }, required: ['kind'], additionalProperties: false }
    expect((await remote.generate(messages, { schema, sampler })).object).toEqual(
      (await local.generate(messages, { schema, sampler })).object,
    )
    await expect(remote.generate('a text', { schema })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(remote.generate('a text', { tools: [weather] })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('stops at texts and ids, and by signal', async () => {
    const plain = await local.generate(messages, { maxTokens: 8, sampler })
    const stop = plain.text.slice(2, 4)
    expect((await remote.generate(messages, { maxTokens: 8, sampler, stop: [stop] })).text).toBe(
      plain.text.slice(0, plain.text.indexOf(stop)),
    )
    expect((await remote.generate(messages, { maxTokens: 8, sampler, stop: [plain.tokens[0]!] })).finishReason).toBe('stop')
    const controller = new AbortController()
    const run = async (): Promise<void> => {
      for await (const part of remote.stream(messages, { maxTokens: 400, signal: controller.signal }))
        if (part.type === 'text') controller.abort()
    }
    await expect(run()).rejects.toMatchObject({ name: 'AbortError' })
    await expect(remote.generate(messages, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('tells errors by their codes', async () => {
    await expect(remote.generate(messages, { sampler: { temperature: 9 } })).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringMatching(/temperature/),
    })
    await expect(remote.generate('y'.repeat(2000))).rejects.toMatchObject({ code: 'CAPACITY' })
    await expect(remote.generate(messages, { sampler: { choose: () => 0 } })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(remote.generate(messages, { contrastive: {} })).rejects.toThrow(/contrastive/)
    await expect(remote.tokenize('x')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(remoteModel({ url: `${server.url}/v1`, apiKey: 'wrong' })).rejects.toMatchObject({
      code: 'REMOTE',
      message: expect.stringMatching(/401/),
    })
    await expect(remoteModel({ url: `${server.url}/v1`, apiKey: 'key', model: 'other' })).rejects.toMatchObject({
      code: 'OPTION',
      message: expect.stringMatching(/it has tiny/),
    })
    await expect(remoteModel({ url: 'http://127.0.0.1:1/v1', retries: 0 })).rejects.toMatchObject({
      code: 'REMOTE',
      message: expect.stringMatching(/cannot be reached/),
    })
    await expect(remoteModel({ url: 'ftp://x' })).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('remoteModel with servers of other kinds', () => {
  type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })
  const open = async (handle: Handler): Promise<string> => {
    server = createServer(async (request, response) => {
      let body = ''
      for await (const bytes of request) body += String(bytes)
      if (request.url === '/v1/models') return void response.end(JSON.stringify({ data: [{ id: 'm' }] }))
      handle(request, response, body)
    })
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  }
  const events = (response: ServerResponse, ...all: readonly unknown[]): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const one of all) response.write(`data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`)
    response.end()
  }
  const said = (content: string, finish: string | null = null): object => ({
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  })

  it('tries again after 429 and 503, and heeds Retry-After', async () => {
    const times: number[] = []
    const url = await open((_request, response) => {
      times.push(performance.now())
      if (times.length === 1) return void response.writeHead(429, { 'retry-after': '0.2' }).end('{"error":{"message":"later"}}')
      if (times.length === 2) return void response.writeHead(503, { 'retry-after': '0' }).end()
      events(response, said('sea'), said('', 'stop'), '[DONE]')
    })
    const lm = await remoteModel({ url })
    expect((await lm.generate(messages)).text).toBe('sea')
    expect(times).toHaveLength(3)
    expect(times[1]! - times[0]!).toBeGreaterThan(190)
    times.length = 0
    const impatient = await remoteModel({ url, maxRetryAfterSeconds: 0.1 })
    await expect(impatient.generate(messages)).rejects.toMatchObject({ code: 'BUSY', message: expect.stringMatching(/later/) })
    expect(times).toHaveLength(1)
  })

  it('sends what each kind understands', async () => {
    const bodies: Record<string, unknown>[] = []
    const url = await open((request, response, body) => {
      bodies.push(JSON.parse(body) as Record<string, unknown>)
      if (request.url === '/tokenize') return void response.end(JSON.stringify({ tokens: [1, 2] }))
      const choice = request.url === '/v1/completions' ? { choices: [{ text: '{"a":1}', finish_reason: 'stop' }] } : said('{"a":1}', 'stop')
      events(response, choice, '[DONE]')
    })
    const schema = { type: 'object' }
    const sampler = { topK: 5, repetitionPenalty: 1.1 }
    const vllm = await remoteModel({ url, server: 'vllm', body: { priority: 1 } })
    expect((await vllm.generate('x', { schema, sampler, stop: [7, 'end'] })).object).toEqual({ a: 1 })
    expect(bodies.at(-1)).toMatchObject({
      guided_json: schema,
      top_k: 5,
      repetition_penalty: 1.1,
      stop_token_ids: [7],
      stop: ['end'],
      priority: 1,
    })
    expect(Array.from(await vllm.tokenize('x'))).toEqual([1, 2])
    const llama = await remoteModel({ url, server: 'llama.cpp' })
    await llama.generate(messages, { schema, sampler, templateVariables: { enable_thinking: false } })
    expect(bodies.at(-1)).toMatchObject({
      repeat_penalty: 1.1,
      chat_template_kwargs: { enable_thinking: false },
      response_format: { type: 'json_schema' },
    })
    // It reads no choice that names a tool.
    await llama.generate(messages, { tools: [weather, { ...weather, name: 'tide' }], toolChoice: { name: 'tide' } })
    expect(bodies.at(-1)).toMatchObject({ tools: [{ function: { name: 'tide' } }], tool_choice: 'required', parallel_tool_calls: false })
    await vllm.generate(messages, { tools: [weather], toolChoice: { name: 'weather' } })
    expect(bodies.at(-1)).toMatchObject({ tool_choice: { type: 'function', function: { name: 'weather' } } })
    const tgi = await remoteModel({ url, server: 'tgi' })
    await tgi.generate(messages, { schema })
    expect(bodies.at(-1)).toMatchObject({ response_format: { type: 'json', value: schema } })
    const plain = await remoteModel({ url })
    await expect(plain.generate(messages, { sampler })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/topK/),
    })
  })

  it("reads llama.cpp's log-probabilities of a completion, with their ids", async () => {
    const top = [{ id: 7, token: ' sea', bytes: [32, 115, 101, 97], logprob: -0.5 }]
    const logprobs = { content: [{ ...top[0], top_logprobs: top }] }
    const url = await open((_request, response) =>
      events(response, { choices: [{ text: ' sea', logprobs, finish_reason: 'length' }] }, '[DONE]'),
    )
    const lm = await remoteModel({ url, server: 'llama.cpp' })
    const one = { id: 7, bytes: Uint8Array.of(32, 115, 101, 97), logprob: -0.5 }
    expect((await lm.generate('the', { logprobs: 1 })).logprobs).toEqual([{ ...one, top: [one] }])
  })

  it('reads reasoning, calls without ids, partial objects and events cut anywhere', async () => {
    const call = (values: object): object => ({ choices: [{ delta: { tool_calls: [values] }, finish_reason: null }] })
    const stream = [
      { choices: [{ delta: { reasoning_content: 'hm' } }] },
      said('wél'),
      call({ index: 0, function: { name: 'weather', arguments: '{"at":' } }),
      call({ index: 0, function: { arguments: '"sea"}' } }),
      { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 2 } } },
    ]
    const url = await open(async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const bytes = Buffer.from(
        `: a comment\r\n\r\n${stream.map((one) => `data: ${JSON.stringify(one)}\r\n\r\n`).join('')}data: [DONE]\r\n\r\n`,
      )
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7))
        await new Promise((resolve) => setImmediate(resolve))
      }
      response.end()
    })
    const lm = await remoteModel({ url })
    const result = await lm.generate(messages, { tools: [weather] })
    expect(result).toMatchObject({
      text: 'wél',
      reasoning: 'hm',
      toolCalls: [{ id: 'call_0', name: 'weather', arguments: { at: 'sea' } }],
      finishReason: 'tool-calls',
      usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 4 },
    })
  })

  it('fails with a typed error at whatever else comes', async () => {
    let answer: (response: ServerResponse) => void = () => {}
    const url = await open((_request, response) => answer(response))
    const lm = await remoteModel({ url, retries: 0, idleSeconds: 0.2 })
    const cases: readonly [(response: ServerResponse) => void, string, RegExp][] = [
      [(response) => events(response, said('a'), { error: { message: 'out of memory' } }), 'REMOTE', /out of memory/],
      [(response) => events(response, said('a')), 'REMOTE', /without saying why/],
      [(response) => events(response, '{broken'), 'REMOTE', /no JSON object/],
      [
        (response) =>
          events(response, {
            choices: [{ delta: { tool_calls: [{ index: 0, function: { name: 'w', arguments: '{' } }] }, finish_reason: 'tool_calls' }],
          }),
        'REMOTE',
        /no JSON object/,
      ],
      [(response) => response.end('<html>'), 'REMOTE', /stream of events/],
      [
        (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(Uint8Array.of(0xff, 0xfe, 10)),
        'REMOTE',
        /UTF-8/,
      ],
      [
        (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1'),
        'TIMEOUT',
        /nothing for 0.2 seconds/,
      ],
      [(response) => response.destroy(), 'REMOTE', /cannot be reached/],
      [
        (response) => response.writeHead(400).end('{"error":{"message":"too long","code":"context_length_exceeded"}}'),
        'CAPACITY',
        /too long/,
      ],
      [(response) => response.writeHead(404).end('{"error":"no such model"}'), 'OPTION', /no such model/],
    ]
    for (const [one, code, message] of cases) {
      answer = one
      await expect(lm.generate(messages)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    }
    await expect(lm.generate(messages, { schema: {} }).catch((error: unknown) => Promise.reject(error))).rejects.toMatchObject({
      code: 'OPTION',
    })
  })
})
