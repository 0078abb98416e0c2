import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import { streamingLm } from '../../lm/streaming-lm.js'
import type { Lm, LmOptions, LmPrompt } from '../../lm/types.js'
import { createEmbeddingModel } from '../testing/embedding-model.js'
import { serve, type LmServer } from './server.js'

let lm: Lm
let server: LmServer
let client: OpenAI
const asked: LmOptions[] = []
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { at: { enum: ['sea', 'shore'] } }, required: ['at'], additionalProperties: false },
  },
}
const ask = { model: 'tiny', messages: [{ role: 'user' as const, content: 'the whale' }], max_tokens: 8 }

beforeAll(async () => {
  lm = await tinyLm()
  const noted = streamingLm({
    ...lm,
    stream: (prompt: LmPrompt, options: LmOptions) => (asked.push(options), lm.stream(prompt, options as object)),
  })
  server = await serve({ models: { tiny: noted }, embeddings: { vectors: createEmbeddingModel(8) } }, { port: 0, apiKeys: ['one', 'two'] })
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'two', maxRetries: 0 })
})
afterAll(async () => {
  await server.close(0)
  await lm.dispose()
})

describe('serve with the openai client', () => {
  it('answers a chat as the model does, and counts', async () => {
    const direct = await lm.generate(ask.messages, { maxTokens: 8 })
    const answer = await client.chat.completions.create({ ...ask, temperature: 0 })
    expect(answer.choices[0]).toMatchObject({ index: 0, finish_reason: 'length', message: { role: 'assistant', content: direct.text } })
    const { promptTokens } = direct.usage
    expect(answer.usage).toMatchObject({ prompt_tokens: promptTokens, completion_tokens: 8, total_tokens: promptTokens + 8 })
    expect(answer.id).toMatch(/^chatcmpl-/)
  })

  it('streams the same with the tokens at the end', async () => {
    const direct = await lm.generate(ask.messages, { maxTokens: 8 })
    const chunks = []
    for await (const chunk of await client.chat.completions.create({
      ...ask,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }))
      chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(direct.text)
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: 'assistant', content: '' })
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('length')
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } })
    expect(chunks.length).toBeGreaterThan(4)
  })

  it('gives n answers by seed', async () => {
    const settings = { ...ask, n: 3, seed: 5, temperature: 1.5 }
    const texts = async (values: typeof settings): Promise<(string | null)[]> =>
      (await client.chat.completions.create(values)).choices.map((choice) => choice.message.content)
    const first = await texts(settings)
    expect(await texts(settings)).toEqual(first)
    expect(new Set(first).size).toBe(3)
    expect(await texts({ ...settings, seed: 6 })).not.toEqual(first)
    const one = await client.chat.completions.create({ ...settings, n: 1 })
    expect(one.choices[0]!.message.content).toBe(first[0])
    expect(one.usage!.prompt_tokens).toBe((await client.chat.completions.create(settings)).usage!.prompt_tokens)
  })

  it('streams n answers side by side', async () => {
    const settings = { ...ask, n: 3, seed: 5, temperature: 1.5 }
    const whole = await client.chat.completions.create(settings)
    const streamed = await client.chat.completions.stream(settings).finalChatCompletion()
    const texts = (choices: readonly OpenAI.ChatCompletion.Choice[]) => choices.map(({ index, message }) => [index, message.content])
    expect(texts(streamed.choices)).toEqual(texts(whole.choices))
  })

  it('stops when the client aborts', async () => {
    const stream = await client.chat.completions.create({ ...ask, max_tokens: 400, stream: true })
    let count = 0
    for await (const _ of stream) if (++count === 3) stream.controller.abort()
    expect(count).toBeLessThan(400)
    const { signal } = asked.at(-1)!
    while (signal!.aborted === false) await new Promise((resolve) => setTimeout(resolve, 5))
    await expect(client.chat.completions.create({ ...ask }, { signal: AbortSignal.abort() })).rejects.toThrow(OpenAI.APIUserAbortError)
  })

  it('thinks as much as it is asked to', async () => {
    await client.chat.completions.create({ ...ask, reasoning_effort: 'none' })
    expect(asked.at(-1)!.templateVariables).toEqual({ enable_thinking: false })
    await client.chat.completions.create({ ...ask, reasoning_effort: 'low' })
    expect(asked.at(-1)!.templateVariables).toEqual({ enable_thinking: true, reasoning_effort: 'low' })
    await expect(client.chat.completions.create({ ...ask, reasoning_effort: 'much' as 'low' })).rejects.toMatchObject({
      status: 400,
      param: 'reasoning_effort',
    })
  })

  it('calls tools, whole and in pieces', async () => {
    const settings = {
      ...ask,
      max_tokens: 200,
      tools: [weather],
      tool_choice: 'required' as const,
      parallel_tool_calls: false,
      temperature: 0,
    }
    const [whole] = (await client.chat.completions.create(settings)).choices
    expect(whole!.finish_reason).toBe('tool_calls')
    const [call] = whole!.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[]
    expect(call!.function.name).toBe('weather')
    expect(['sea', 'shore']).toContain((JSON.parse(call!.function.arguments) as { at: string }).at)
    const runner = client.chat.completions.stream(settings)
    const streamed = (await runner.finalChatCompletion()).choices[0]!
    expect(streamed.finish_reason).toBe('tool_calls')
    expect(streamed.message.tool_calls).toMatchObject([
      { type: 'function', function: { name: 'weather', arguments: call!.function.arguments } },
    ])
    const after = [
      ...ask.messages,
      { role: 'assistant' as const, content: null, tool_calls: [call!] },
      { role: 'tool' as const, tool_call_id: call!.id, content: 'storm' },
    ]
    expect((await client.chat.completions.create({ ...ask, messages: after, tools: [weather] })).choices).toHaveLength(1)
  })

  it('keeps to a schema', async () => {
    const schema = { type: 'object', properties: { kind: { enum: ['whale', 'ship'] } }, required: ['kind'], additionalProperties: false }
    const answer = await client.chat.completions.create({
      ...ask,
      max_tokens: 100,
      response_format: { type: 'json_schema', json_schema: { name: 'kind', schema } },
    })
    expect(['whale', 'ship']).toContain((JSON.parse(answer.choices[0]!.message.content!) as { kind: string }).kind)
    expect(answer.choices[0]!.finish_reason).toBe('stop')
    const kind = z.object({ kind: z.enum(['whale', 'ship']) })
    const settings = { ...ask, max_tokens: 100, response_format: zodResponseFormat(kind, 'kind') }
    const parsed = (await client.chat.completions.parse(settings)).choices[0]!.message.parsed
    expect(kind.parse(parsed)).toEqual(parsed)
    const streamed = await client.chat.completions.stream(settings).finalChatCompletion()
    expect(kind.parse(streamed.choices[0]!.message.parsed)).toEqual(parsed)
  })

  it("goes round in the client's own loop of tools", async () => {
    const places: string[] = []
    const runner = client.chat.completions.runTools(
      {
        ...ask,
        max_tokens: 200,
        temperature: 0,
        tool_choice: { type: 'function', function: { name: 'weather' } },
        tools: [
          {
            type: 'function',
            function: {
              ...weather.function,
              description: 'at a place',
              parse: (text: string) => JSON.parse(text) as { at: string },
              function: ({ at }: { at: string }) => (places.push(at), 'storm'),
            },
          },
        ],
      },
      { maxChatCompletions: 1 },
    )
    await runner.done()
    expect(['sea', 'shore']).toContain(places[0])
    expect(runner.messages.at(-1)).toMatchObject({ role: 'tool', content: 'storm' })
  })

  it('tells log-probabilities', async () => {
    const answer = await client.chat.completions.create({ ...ask, temperature: 0, logprobs: true, top_logprobs: 3 })
    const content = answer.choices[0]!.logprobs!.content!
    expect(content).toHaveLength(8)
    expect(content[0]!.top_logprobs).toHaveLength(3)
    expect(content[0]!.top_logprobs[0]!.logprob).toBe(content[0]!.logprob)
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes!)).toString()).toContain(answer.choices[0]!.message.content!.slice(0, 3))
    const streamed = await client.chat.completions.stream({ ...ask, temperature: 0, logprobs: true, top_logprobs: 3 }).finalChatCompletion()
    expect(streamed.choices[0]!.logprobs!.content!.map(({ logprob }) => logprob)).toEqual(content.map(({ logprob }) => logprob))
  })

  it('stops at texts, and biases and penalises tokens', async () => {
    const plain = (await client.chat.completions.create({ ...ask, temperature: 0 })).choices[0]!.message.content!
    const stop = plain.slice(2, 4)
    const stopped = (await client.chat.completions.create({ ...ask, temperature: 0, stop })).choices[0]!
    expect(stopped).toMatchObject({ finish_reason: 'stop', message: { content: plain.slice(0, plain.indexOf(stop)) } })
    const [id] = await lm.tokenize('s')
    const biased = await client.chat.completions.create({ ...ask, temperature: 0, logit_bias: { [id!]: 100 } })
    expect(biased.choices[0]!.message.content).toBe('ssssssss')
    const penalised = await client.chat.completions.create({ ...ask, temperature: 0, logit_bias: { [id!]: 3 }, frequency_penalty: 2 })
    expect(penalised.choices[0]!.message.content).not.toBe('ssssssss')
  })

  it('continues texts and ids: several prompts, echo, log-probabilities', async () => {
    const direct = await lm.generate('the ', { maxTokens: 6 })
    const texts = await client.completions.create({ model: 'tiny', prompt: ['the ', 'a '], max_tokens: 6, temperature: 0, echo: true })
    expect(texts.choices).toHaveLength(2)
    expect(texts.choices[0]).toMatchObject({ index: 0, text: `the ${direct.text}`, finish_reason: 'length' })
    const ids = Array.from(await lm.tokenize('the '))
    const told = await client.completions.create({ model: 'tiny', prompt: ids, max_tokens: 6, temperature: 0, logprobs: 2 })
    expect(told.choices[0]!.text).toBe(direct.text)
    expect(told.choices[0]!.logprobs!.token_logprobs).toHaveLength(6)
    let streamed = ''
    for await (const { choices } of await client.completions.create({
      model: 'tiny',
      prompt: 'the ',
      max_tokens: 6,
      temperature: 0,
      stream: true,
    }))
      streamed += choices[0]?.text ?? ''
    expect(streamed).toBe(direct.text)
  })

  it('embeds, as numbers and in base64, shortened too', async () => {
    const whole = await client.embeddings.create({ model: 'vectors', input: ['sea', 'ship'] }) // asks for base64
    const plain = await client.embeddings.create({ model: 'vectors', input: ['sea', 'ship'], encoding_format: 'float' })
    expect(whole.data).toHaveLength(2)
    whole.data[1]!.embedding.forEach((value, i) => expect(value).toBeCloseTo(plain.data[1]!.embedding[i]!, 6))
    const short = await client.embeddings.create({ model: 'vectors', input: 'sea', dimensions: 3 })
    expect(Math.hypot(...short.data[0]!.embedding)).toBeCloseTo(1, 6)
    await expect(client.embeddings.create({ model: 'vectors', input: 'sea', dimensions: 9 })).rejects.toMatchObject({
      status: 400,
      param: 'dimensions',
    })
  })

  it('lists its models', async () => {
    const names: string[] = []
    for await (const { id } of client.models.list()) names.push(id)
    expect(names).toEqual(['tiny', 'vectors'])
    expect(await client.models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model' })
    await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
  })

  it('refuses keys it does not know, models it does not have and fields that are wrong, by name', async () => {
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'three', maxRetries: 0 })
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' })
    await expect(client.chat.completions.create({ ...ask, model: 'large' })).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    await expect(client.chat.completions.create({ ...ask, temperature: 3 })).rejects.toMatchObject({ status: 400, param: 'temperature' })
    const long = [{ role: 'user' as const, content: 'x'.repeat(1000) }]
    await expect(client.chat.completions.create({ ...ask, messages: long })).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    })
    await expect(client.chat.completions.create({ ...ask, messages: long, stream: true })).rejects.toMatchObject({ status: 400 })
  })

  it('tells health without a key, and metrics with one', async () => {
    expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ status: 'ok' })
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401)
    const text = await (await fetch(`${server.url}/metrics`, { headers: { authorization: 'Bearer one' } })).text()
    expect(text).toMatch(/tesserae_requests_total\{endpoint="\/v1\/chat\/completions",status="200"\} \d+/)
    expect(text).toMatch(/tesserae_time_to_first_token_seconds_count\{model="tiny"\} \d+/)
    expect(text).toMatch(/tesserae_answers_running\{model="tiny"\} 0\n/)
  })
})
