import { createOpenAICompatible as compatible6 } from '@ai-sdk/openai-compatible'
import { createOpenAICompatible as compatible7 } from 'ai7-openai-compatible'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'
import { aiSdks } from '../../models/testing/ai-sdks.js'
import { fromLanguageModel } from '../../remote/from-language-model.js'
import { createEmbeddingModel } from '../testing/embedding-model.js'
import { serve, type LmServer } from './server.js'

let lm: Lm
let server: LmServer
beforeAll(async () => {
  lm = await tinyLm()
  server = await serve({ models: { tiny: lm }, embeddings: { vectors: createEmbeddingModel(8) } }, { port: 0, apiKeys: ['key'] })
})
afterAll(async () => {
  await server.close(0)
  await lm.dispose()
})

const compatible = { 'ai 6': compatible6, 'ai 7': compatible7 as unknown as typeof compatible6 }

describe.each(aiSdks)('serve with %s', (version, sdk) => {
  const { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool, Output } = sdk
  let provider: ReturnType<typeof compatible6>
  beforeAll(() => {
    const baseURL = `${server.url}/v1`
    provider = compatible[version]({ name: 'tesserae', baseURL, apiKey: 'key', supportsStructuredOutputs: true, includeUsage: true })
  })
  const prompt = 'the whale'
  const settings = { prompt, maxOutputTokens: 8, temperature: 0, maxRetries: 0 }

  it('generates and streams', async () => {
    const direct = await lm.generate([{ role: 'user', content: prompt }], { maxTokens: 8, sampler: { temperature: 0 } })
    const whole = await generateText({ ...settings, model: provider('tiny') })
    expect(whole).toMatchObject({ text: direct.text, finishReason: 'length', usage: { outputTokens: 8 } })
    const stream = streamText({ ...settings, model: provider('tiny') })
    let text = ''
    for await (const piece of stream.textStream) text += piece
    expect(text).toBe(direct.text)
    expect((await stream.usage).outputTokens).toBe(8)
  })

  it('samples by a seed, and stops when it is aborted', async () => {
    const say = async (seed: number) => (await generateText({ ...settings, temperature: 1.5, seed, model: provider('tiny') })).text
    const first = await say(1)
    expect(await say(1)).toBe(first)
    expect(await say(2)).not.toBe(first)
    const controller = new AbortController()
    const types: string[] = []
    const call = { ...settings, maxOutputTokens: 400, model: provider('tiny'), abortSignal: controller.signal }
    for await (const { type } of streamText(call).fullStream) {
      types.push(type)
      if (type === 'text-delta') controller.abort()
    }
    expect(types.at(-1)).toBe('abort')
    expect(types).not.toContain('finish')
  })

  it('makes objects and goes round with tools', async () => {
    const schema = jsonSchema<{ kind: string }>({
      type: 'object',
      properties: { kind: { enum: ['whale', 'ship'] } },
      required: ['kind'],
      additionalProperties: false,
    })
    const wanted = { ...settings, maxOutputTokens: 100, model: provider('tiny') }
    const { object } = await generateObject({ ...wanted, schema })
    expect(['whale', 'ship']).toContain(object.kind)
    expect(await streamText({ ...wanted, output: Output.object({ schema }) }).output).toEqual(object)
    const seen: unknown[] = []
    const look = tool({
      inputSchema: schema,
      execute: (input) => {
        seen.push(input)
        return 'far away'
      },
    })
    const { steps } = await generateText({
      ...settings,
      maxOutputTokens: 200,
      model: provider('tiny'),
      tools: { look },
      // A random model would call on and on.
      providerOptions: { tesserae: { parallel_tool_calls: false } },
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
      stopWhen: stepCountIs(2),
    })
    expect(seen.length).toBeGreaterThan(0)
    expect(steps).toHaveLength(2)
    expect(steps[0]!.finishReason).toBe('tool-calls')
  })

  it('embeds', async () => {
    const { embeddings } = await embedMany({ model: provider.embeddingModel('vectors'), values: ['sea', 'ship'] })
    expect(embeddings.map((vector) => vector.length)).toEqual([8, 8])
  })

  it('is a language model again through the provider', async () => {
    const again = fromLanguageModel(provider('tiny'))
    const direct = await lm.generate([{ role: 'user', content: prompt }], { maxTokens: 8, sampler: { temperature: 0 } })
    const answer = await again.generate([{ role: 'user', content: prompt }], { maxTokens: 8, sampler: { temperature: 0 } })
    expect(answer).toMatchObject({ text: direct.text, finishReason: 'length', usage: { completionTokens: 8 } })
  })
})
