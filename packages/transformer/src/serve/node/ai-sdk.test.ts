import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'
import { fromLanguageModel } from '../../remote/from-language-model.js'
import { createEmbeddingModel } from '../testing/embedding-model.js'
import { serve, type LmServer } from './server.js'

let lm: Lm
let server: LmServer
let provider: ReturnType<typeof createOpenAICompatible>
beforeAll(async () => {
  lm = await tinyLm()
  server = await serve({ models: { tiny: lm }, embeddings: { vectors: createEmbeddingModel(8) } }, { port: 0, apiKeys: ['key'] })
  provider = createOpenAICompatible({
    name: 'tesserae',
    baseURL: `${server.url}/v1`,
    apiKey: 'key',
    supportsStructuredOutputs: true,
    includeUsage: true,
  })
})
afterAll(async () => {
  await server.close(0)
  await lm.dispose()
})

describe('serve with the AI SDK', () => {
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

  it('makes objects and goes round with tools', async () => {
    const schema = jsonSchema<{ kind: string }>({
      type: 'object',
      properties: { kind: { enum: ['whale', 'ship'] } },
      required: ['kind'],
      additionalProperties: false,
    })
    const { object } = await generateObject({ ...settings, maxOutputTokens: 100, model: provider('tiny'), schema })
    expect(['whale', 'ship']).toContain(object.kind)
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
