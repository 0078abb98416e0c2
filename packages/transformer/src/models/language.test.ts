import type { LanguageModelLike } from '@tesserae/core'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import { generateText, streamText, type LanguageModel } from 'ai'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { createModel, type DecoderModel } from '../generate/model.js'
import { languageModel, type DecoderLanguageModel } from './language.js'
import type { ChatMessage } from './messages.js'

let tokenizer: Tokenizer
let model: DecoderModel

beforeAll(async () => {
  tokenizer = await trainBpe(['the whale swims and the ship sails '.repeat(20)], {
    vocabSize: 290,
    specialTokens: ['<|user|>', '<|assistant|>'],
  })
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 16, layers: 1, heads: 2, context: 48 })
  model = await createModel({ config, weights: initWeights(config, { seed: 2 }), tokenizer })
})
afterAll(() => model.dispose())

const chat = (messages: readonly ChatMessage[]): Uint32Array =>
  tokenizer.encode(`${messages.map(({ role, content }) => (role === 'user' ? `<|user|>${content}` : content)).join('')}<|assistant|>`, {
    special: 'allow',
  })

describe('languageModel with the AI SDK', () => {
  it('has the types of both', () => {
    expectTypeOf<DecoderLanguageModel>().toExtend<LanguageModelLike>()
    expectTypeOf<DecoderLanguageModel>().toExtend<LanguageModel>()
  })

  it('generates what the model itself generates, and counts', async () => {
    const result = await generateText({ model: languageModel(model, { render: chat }), prompt: 'the whale', maxOutputTokens: 8 })
    const ids = chat([{ role: 'user', content: 'the whale' }])
    const direct = await model.generate(ids, { maxTokens: 8 })
    expect(result.text).toBe(direct.text)
    expect(result.finishReason).toBe('length')
    expect(result.rawFinishReason).toBe('length')
    expect(result.usage).toMatchObject({ inputTokens: ids.length, outputTokens: 8, totalTokens: ids.length + 8 })
    expect(result.warnings).toEqual([])
  })

  it('streams the same text in parts', async () => {
    const result = streamText({ model: languageModel(model), prompt: 'the whale', maxOutputTokens: 12, temperature: 1, seed: 4 })
    const parts: string[] = []
    for await (const part of result.textStream) parts.push(part)
    const whole = await generateText({ model: languageModel(model), prompt: 'the whale', maxOutputTokens: 12, temperature: 1, seed: 4 })
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.join('')).toBe(whole.text)
    expect(await result.finishReason).toBe('length')
    expect((await result.usage).outputTokens).toBe(12)
  })

  it('samples by seed and by temperature, topK and topP', async () => {
    const say = async (settings: object): Promise<string> =>
      (await generateText({ model: languageModel(model), prompt: 'the ship', maxOutputTokens: 12, ...settings })).text
    const greedy = await say({})
    expect(await say({ temperature: 1, seed: 1 })).toBe(await say({ temperature: 1, seed: 1 }))
    expect(await say({ temperature: 1, seed: 1 })).not.toBe(await say({ temperature: 1, seed: 2 }))
    expect(await say({ temperature: 1, topK: 1, seed: 2 })).toBe(greedy)
    expect(await say({ temperature: 1, topP: 1e-6, seed: 2 })).toBe(greedy)
    const warm = languageModel(model, { defaults: { temperature: 1, seed: 1, maxOutputTokens: 12 } })
    expect((await generateText({ model: warm, prompt: 'the ship' })).text).toBe(await say({ temperature: 1, seed: 1 }))
  })

  it('stops at texts and at ids, and says so', async () => {
    const whole = (await generateText({ model: languageModel(model), prompt: 'the ship', maxOutputTokens: 12 })).text
    const stop = whole.slice(3, 5)
    const stopped = await generateText({ model: languageModel(model), prompt: 'the ship', maxOutputTokens: 12, stopSequences: [stop] })
    expect(stopped.text).toBe(whole.slice(0, whole.indexOf(stop)))
    expect(stopped.finishReason).toBe('stop')
    const [first] = (await model.generate('the ship', { maxTokens: 1 })).ids
    const silent = await generateText({ model: languageModel(model, { stop: [first!] }), prompt: 'the ship' })
    expect(silent).toMatchObject({ text: '', finishReason: 'stop' })
  })

  it('ends where the capacity ends when asked for more', async () => {
    const result = await generateText({ model: languageModel(model), prompt: 'the ship', maxOutputTokens: 10_000 })
    expect(result).toMatchObject({ finishReason: 'length', rawFinishReason: 'context' })
    expect(result.usage.totalTokens).toBe(49) // the last token needs no place
  })

  it('warns of what it cannot do, and refuses what it cannot read', async () => {
    const asked = await languageModel(model).doGenerate({
      prompt: [
        { role: 'user', content: [{ type: 'text', text: 'the' }] },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm' },
            { type: 'text', text: ' whale' },
          ],
        },
      ],
      maxOutputTokens: 1,
      presencePenalty: 1,
      frequencyPenalty: 0,
      responseFormat: { type: 'json' },
      tools: [{ type: 'function', name: 'search', inputSchema: {} }],
    })
    expect(asked.warnings.map((warning) => (warning.type === 'other' ? 'reasoning' : warning.feature))).toEqual([
      'presencePenalty',
      'responseFormat',
      'tools',
      'reasoning',
    ])
    const tool = { role: 'tool' as const, content: [] }
    await expect(languageModel(model).doGenerate({ prompt: [tool] })).rejects.toMatchObject({ code: 'OPTION' })
    const long = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'ship '.repeat(60) }] }]
    await expect(languageModel(model).doStream({ prompt: long })).rejects.toMatchObject({ code: 'CAPACITY' })
  })

  it('is aborted by the signal, before and on the way', async () => {
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'the' }] }]
    await expect(languageModel(model).doGenerate({ prompt, abortSignal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    const controller = new AbortController()
    const { stream } = await languageModel(model).doStream({ prompt, abortSignal: controller.signal })
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
    const reader = (await languageModel(model).doStream({ prompt })).stream.getReader()
    await reader.read()
    await reader.cancel()
  })

  it('keeps what was written when generation fails, and reports the failure as an event', async () => {
    const failing = await createModel({ config: model.config, weights: initWeights(model.config, { seed: 2 }), tokenizer })
    const { stream } = await languageModel(failing).doStream({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'the' }] }] })
    const types: string[] = []
    for await (const event of stream) {
      types.push(event.type)
      if (event.type === 'text-delta' && !types.includes('error')) failing.dispose()
    }
    expect(types.at(-1)).toBe('error')
  })
})

it('needs a tokenizer', async () => {
  const config = llama({ vocabSize: 8, width: 8, layers: 1, heads: 2, context: 8 })
  using bare = await createModel({ config, weights: initWeights(config, { seed: 1 }) })
  expect(() => languageModel(bare)).toThrow('the model has no tokenizer')
})
