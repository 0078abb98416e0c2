import type { LanguageModelLike } from '@tesserae/core'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import type { LanguageModel } from 'ai'
import type { LanguageModel as LanguageModel7 } from 'ai7'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { createModel, type DecoderModel } from '../generate/model.js'
import { createLm, type LocalLm } from '../lm/local.js'
import { chatModel, thinkingTemplate, toolTemplate } from '../lm/testing/chat-model.js'
import { callText, scripted } from '../lm/testing/scripted.js'
import type { LmMessage } from '../lm/types.js'
import { languageModel, type LmLanguageModel } from './language.js'
import { aiSdks } from './testing/ai-sdks.js'

let tokenizer: Tokenizer
let model: DecoderModel
let lm: LocalLm

beforeAll(async () => {
  tokenizer = await trainBpe(['the whale swims and the ship sails '.repeat(20)], {
    vocabSize: 290,
    specialTokens: ['<|user|>', '<|assistant|>'],
  })
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 16, layers: 1, heads: 2, context: 48 })
  model = await createModel({ config, weights: initWeights(config, { seed: 2 }), tokenizer })
  lm = createLm({ model, tokenizer })
})
afterAll(() => lm.dispose())

const chat = (messages: readonly LmMessage[]): Uint32Array =>
  tokenizer.encode(`${messages.map(({ role, content }) => (role === 'user' ? `<|user|>${content}` : content)).join('')}<|assistant|>`, {
    special: 'allow',
  })

it('has the types of the SDK and of core', () => {
  expectTypeOf<LmLanguageModel>().toExtend<LanguageModelLike>()
  expectTypeOf<LmLanguageModel>().toExtend<LanguageModel>()
  expectTypeOf<LmLanguageModel>().toExtend<LanguageModel7>()
})

describe.each(aiSdks)('languageModel with %s', (_, { generateText, streamText }) => {
  it('generates what the model itself generates, and counts', async () => {
    const result = await generateText({ model: languageModel(lm, { render: chat }), prompt: 'the whale', maxOutputTokens: 8 })
    const ids = chat([{ role: 'user', content: 'the whale' }])
    const direct = await model.generate(ids, { maxTokens: 8 })
    expect(result.text).toBe(direct.text)
    expect(result.finishReason).toBe('length')
    expect(result.rawFinishReason).toBe('length')
    expect(result.usage).toMatchObject({ inputTokens: ids.length, outputTokens: 8, totalTokens: ids.length + 8 })
    expect(result.warnings).toEqual([])
  })

  it('streams the same text in parts', async () => {
    const result = streamText({ model: languageModel(lm), prompt: 'the whale', maxOutputTokens: 12, temperature: 1, seed: 4 })
    const parts: string[] = []
    for await (const part of result.textStream) parts.push(part)
    const whole = await generateText({ model: languageModel(lm), prompt: 'the whale', maxOutputTokens: 12, temperature: 1, seed: 4 })
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.join('')).toBe(whole.text)
    expect(await result.finishReason).toBe('length')
    expect((await result.usage).outputTokens).toBe(12)
  })

  it('samples by seed and by temperature, topK and topP', async () => {
    const say = async (settings: object): Promise<string> =>
      (await generateText({ model: languageModel(lm), prompt: 'the ship', maxOutputTokens: 12, ...settings })).text
    const greedy = await say({})
    expect(await say({ temperature: 1, seed: 1 })).toBe(await say({ temperature: 1, seed: 1 }))
    expect(await say({ temperature: 1, seed: 1 })).not.toBe(await say({ temperature: 1, seed: 2 }))
    expect(await say({ temperature: 1, topK: 1, seed: 2 })).toBe(greedy)
    expect(await say({ temperature: 1, topP: 1e-6, seed: 2 })).toBe(greedy)
    const warm = languageModel(lm, { defaults: { temperature: 1, seed: 1, maxOutputTokens: 12 } })
    expect((await generateText({ model: warm, prompt: 'the ship' })).text).toBe(await say({ temperature: 1, seed: 1 }))
  })

  it('stops at texts and at ids, and says so', async () => {
    const whole = (await generateText({ model: languageModel(lm), prompt: 'the ship', maxOutputTokens: 12 })).text
    const stop = whole.slice(3, 5)
    const stopped = await generateText({ model: languageModel(lm), prompt: 'the ship', maxOutputTokens: 12, stopSequences: [stop] })
    expect(stopped.text).toBe(whole.slice(0, whole.indexOf(stop)))
    expect(stopped.finishReason).toBe('stop')
    const [first] = (await model.generate('the ship', { maxTokens: 1 })).ids
    const silent = await generateText({ model: languageModel(lm, { stop: [first!] }), prompt: 'the ship' })
    expect(silent).toMatchObject({ text: '', finishReason: 'stop' })
  })

  it('ends where the capacity ends when asked for more', async () => {
    const result = await generateText({ model: languageModel(lm), prompt: 'the ship', maxOutputTokens: 10_000 })
    expect(result).toMatchObject({ finishReason: 'length', rawFinishReason: 'context' })
    expect(result.usage.totalTokens).toBe(49) // the last token needs no place
  })
})

describe('languageModel by itself', () => {
  it('warns of what it cannot do, and refuses what it cannot read', async () => {
    const asked = await languageModel(lm, { render: chat }).doGenerate({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'the' }] }],
      maxOutputTokens: 1,
      tools: [{ type: 'provider', name: 'search', id: 'x.search', args: {} } as never],
    })
    expect(asked.warnings).toMatchObject([{ type: 'unsupported', feature: 'tool search' }])
    const tools = [{ type: 'function' as const, name: 'search', inputSchema: {} }]
    const untold = await languageModel(lm).doGenerate({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'the' }] }],
      maxOutputTokens: 1,
      tools,
    })
    expect(untold.warnings).toMatchObject([{ type: 'unsupported', feature: 'tools' }])
    const file = { role: 'user' as const, content: [{ type: 'file', data: 'x', mediaType: 'image/png' } as never] }
    await expect(languageModel(lm).doGenerate({ prompt: [file] })).rejects.toThrow("a part of type 'file'")
    const long = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'ship '.repeat(60) }] }]
    await expect(languageModel(lm).doStream({ prompt: long })).rejects.toMatchObject({ code: 'CAPACITY' })
  })

  it('is aborted by the signal, before and on the way', async () => {
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'the' }] }]
    await expect(languageModel(lm).doGenerate({ prompt, abortSignal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    const controller = new AbortController()
    const { stream } = await languageModel(lm).doStream({ prompt, abortSignal: controller.signal })
    const seen: string[] = []
    const reading = (async () => {
      for await (const event of stream) {
        seen.push(event.type)
        if (event.type === 'text-delta') controller.abort()
      }
    })()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen.slice(0, 3)).toEqual(['stream-start', 'response-metadata', 'text-start'])
    expect(seen).not.toContain('finish')
    // A reader that goes away ends the generation, too.
    const reader = (await languageModel(lm).doStream({ prompt })).stream.getReader()
    await reader.read()
    await reader.cancel()
  })

  it('keeps what was written when generation fails, and reports the failure as an event', async () => {
    const failing = await createModel({ config: model.config, weights: initWeights(model.config, { seed: 2 }), tokenizer })
    const { stream } = await languageModel(createLm({ model: failing, tokenizer })).doStream({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'the' }] }],
    })
    const types: string[] = []
    for await (const event of stream) {
      types.push(event.type)
      if (event.type === 'text-delta' && !types.includes('error')) failing.dispose()
    }
    expect(types.at(-1)).toBe('error')
  })
})

describe.each(aiSdks)(
  'a chat model with %s',
  (version, { generateObject, generateText, stepCountIs, streamObject, streamText, tool, Output }) => {
    let speaking: LocalLm
    let thinking: LocalLm
    beforeAll(async () => {
      ;[speaking, thinking] = (await Promise.all(
        [toolTemplate, thinkingTemplate].map(async (template) => {
          const made = await chatModel(template)
          return createLm({ model: await createModel(made), tokenizer: made.tokenizer })
        }),
      )) as [LocalLm, LocalLm]
    })
    afterAll(() => Promise.all([speaking.dispose(), thinking.dispose()]))

    it('makes objects, whole and as they grow', async () => {
      const schema = z.object({ kind: z.enum(['ship', 'whale']), n: z.number().int().min(0).max(9) })
      const { object } = await generateObject({ model: languageModel(speaking), schema, prompt: 'the', temperature: 2, seed: 1 })
      expect(schema.parse(object)).toEqual(object)
      const { partialObjectStream, object: whole } = streamObject({
        model: languageModel(speaking),
        schema,
        prompt: 'the',
        temperature: 2,
        seed: 1,
      })
      const partials: unknown[] = []
      for await (const partial of partialObjectStream) partials.push(partial)
      expect(partials.length).toBeGreaterThan(1)
      expect(await whole).toEqual(object)
      const settings = { output: Output.object({ schema }), model: languageModel(speaking), prompt: 'the', temperature: 2, seed: 1 }
      expect((await generateText(settings)).output).toEqual(object)
      expect(await streamText(settings).output).toEqual(object)
      const listed = await generateText({ ...settings, output: Output.choice({ options: ['sea', 'shore'] }) })
      expect(['sea', 'shore']).toContain(listed.output)
    })

    it('ends with the signal, whole and as it is streamed', async () => {
      const controller = new AbortController()
      const settings = { model: languageModel(speaking), prompt: 'the', abortSignal: controller.signal, maxRetries: 0 }
      const { fullStream } = streamText({ ...settings, onError: () => {} })
      const types: string[] = []
      for await (const { type } of fullStream) {
        types.push(type)
        if (type === 'text-delta') controller.abort()
      }
      expect(types).toContain('abort')
      expect(types).not.toContain('finish')
      await expect(generateText(settings)).rejects.toMatchObject({ name: 'AbortError' })
    })

    it('goes on from a conversation with calls and their results', async () => {
      const { lm: one, asked } = scripted(speaking, ['the whale'])
      const input = { city: 'the' }
      await generateText({
        model: languageModel(one),
        messages: [
          { role: 'user', content: 'the' },
          { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'a', toolName: 'weather', input }] },
          {
            role: 'tool',
            content: [{ type: 'tool-result', toolCallId: 'a', toolName: 'weather', output: { type: 'error-text', value: 'no wind' } }],
          },
        ],
      })
      expect(asked[0]!.prompt).toMatchObject([
        { role: 'user' },
        { role: 'assistant', toolCalls: [{ id: 'a', name: 'weather', arguments: input }] },
        { role: 'tool', toolCallId: 'a', content: 'no wind' },
      ])
    })

    it('thinks as the call says', async () => {
      const { lm: one, asked } = scripted(speaking, ['the', 'the', 'the'])
      const say = (settings: object) => generateText({ model: languageModel(one), prompt: 'the', ...settings })
      await say({ reasoning: 'none' })
      await say({ reasoning: 'high', providerOptions: { tesserae: { templateVariables: { enable_thinking: false } } } })
      await say({ reasoning: 'provider-default' })
      const variables = asked.map(({ options }) => options.templateVariables)
      // The setting came with 7.
      if (version === 'ai 6') expect(variables).toEqual([undefined, { enable_thinking: false }, undefined])
      else expect(variables).toEqual([{ enable_thinking: false }, { enable_thinking: false, reasoning_effort: 'high' }, undefined])
    })

    it.each(['generateText', 'streamText'])('runs a loop of tools in %s', async (name) => {
      const { lm: one, asked } = scripted(speaking, [callText('weather', { city: 'the' }), 'the whale'])
      const cities: string[] = []
      const tools = {
        weather: tool({
          description: 'of a city',
          inputSchema: z.object({ city: z.string() }),
          execute: async ({ city }) => (cities.push(city), { sun: true }),
        }),
      }
      const settings = { model: languageModel(one), tools, prompt: 'the', stopWhen: stepCountIs(3) }
      const streamed = name === 'streamText' ? streamText(settings) : undefined
      await streamed?.consumeStream()
      const [text, steps] =
        streamed === undefined
          ? await generateText(settings).then((all) => [all.text, all.steps] as const)
          : await Promise.all([streamed.text, streamed.steps])
      expect(text).toBe('the whale')
      expect(cities).toEqual(['the'])
      expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
      expect(asked[1]!.prompt).toMatchObject([
        { role: 'user', content: 'the' },
        { role: 'assistant', toolCalls: [{ name: 'weather', arguments: { city: 'the' } }] },
        { role: 'tool', name: 'weather', content: '{"sun":true}' },
      ])
      expect(asked[0]!.options).toMatchObject({ toolChoice: 'auto', tools: [{ name: 'weather' }] })
    })

    it('has a choice of tools, penalties and log-probabilities', async () => {
      const tools = { weather: tool({ inputSchema: z.object({ city: z.string().max(4) }), execute: async ({ city }) => city }) }
      const forced = await generateText({
        model: languageModel(speaking),
        tools,
        toolChoice: { type: 'tool', toolName: 'weather' },
        prompt: 'the',
        temperature: 2,
        seed: 1,
      })
      expect(forced.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: expect.any(String) } }])
      const { lm: one, asked } = scripted(speaking, ['the'])
      const { providerMetadata } = await generateText({
        model: languageModel(one),
        prompt: 'the',
        presencePenalty: 1,
        frequencyPenalty: 0.5,
        providerOptions: { tesserae: { logprobs: 2, minP: 0.1 } },
      })
      expect(asked[0]!.options.sampler).toMatchObject({ presencePenalty: 1, frequencyPenalty: 0.5, minP: 0.1 })
      expect((providerMetadata!['tesserae'] as { logprobs: unknown[] }).logprobs[0]).toMatchObject({
        logprob: expect.any(Number),
        topLogprobs: [{}, {}],
      })
    })

    it('has its reasoning by itself', async () => {
      const { lm: one } = scripted(thinking, ['the ship</think>\nthe whale', 'the ship</think>\nthe whale'])
      expect(await generateText({ model: languageModel(one), prompt: 'the' })).toMatchObject({
        reasoningText: 'the ship',
        text: 'the whale',
      })
      const types: string[] = []
      for await (const part of streamText({ model: languageModel(one), prompt: 'the' }).fullStream) types.push(part.type)
      const [reasoned, said] = [types.indexOf('reasoning-end'), types.indexOf('text-start')]
      expect(reasoned).toBeGreaterThan(0)
      expect(said).toBeGreaterThan(reasoned)
    })
  },
)
