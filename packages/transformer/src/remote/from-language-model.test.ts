import type { LanguageModelCall, LanguageModelLike, ModelStreamPart } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import type { LmPart } from '../lm/types.js'
import { fromLanguageModel } from './from-language-model.js'

const messages = [{ role: 'user', content: 'where is the whale?' }] as const

/** A model of a specification's version that answers by these parts and keeps what it was asked. */
function provider(specificationVersion: 'v2' | 'v3' | 'v4', parts: readonly ModelStreamPart[]) {
  const calls: LanguageModelCall[] = []
  const model: LanguageModelLike = {
    specificationVersion,
    provider: 'test',
    modelId: 'm',
    doGenerate: () => Promise.reject(new Error('not asked')),
    doStream: async (call) => {
      calls.push(call)
      return {
        stream: new ReadableStream<ModelStreamPart>({
          start(controller) {
            for (const part of parts) controller.enqueue(part)
            controller.close()
          },
        }),
      }
    },
  }
  return { model, calls }
}

const said = (...texts: readonly string[]): ModelStreamPart[] => texts.map((delta) => ({ type: 'text-delta', id: '0', delta }))
const finish = (word = 'stop'): ModelStreamPart => ({
  type: 'finish',
  finishReason: { unified: word, raw: word },
  usage: { inputTokens: { total: 5 }, outputTokens: { total: 2 } },
})

describe('fromLanguageModel', () => {
  it.each([
    ['v2', { type: 'finish', finishReason: 'length', usage: { inputTokens: 5, outputTokens: 2 } }],
    ['v3', finish('length')],
    ['v4', finish('length')],
  ] as const)('streams a model of %s', async (version, last) => {
    const { model, calls } = provider(version, [{ type: 'reasoning-delta', id: '1', delta: 'hm' }, ...said('at ', 'sea'), last])
    const parts: LmPart[] = []
    for await (const part of fromLanguageModel(model).stream(messages, {
      maxTokens: 2,
      sampler: { temperature: 0.5, topK: 3, seed: 1 },
      stop: ['.'],
    }))
      parts.push(part)
    expect(parts.map(({ type }) => type)).toEqual(['reasoning', 'text', 'text', 'finish'])
    expect(parts.at(-1)).toMatchObject({
      result: { text: 'at sea', reasoning: 'hm', finishReason: 'length', usage: { promptTokens: 5, completionTokens: 2 } },
    })
    expect(calls[0]).toEqual({
      prompt: [{ role: 'user', content: [{ type: 'text', text: 'where is the whale?' }] }],
      maxOutputTokens: 2,
      temperature: 0.5,
      topK: 3,
      seed: 1,
      stopSequences: ['.'],
    })
  })

  it('calls tools in pieces and whole, and gives their results back', async () => {
    const { model, calls } = provider('v3', [
      { type: 'tool-input-start', id: 'a', toolName: 'look' },
      { type: 'tool-input-delta', id: 'a', delta: '{"at":' },
      { type: 'tool-input-delta', id: 'a', delta: '"sea"}' },
      { type: 'tool-call', toolCallId: 'a', toolName: 'look', input: '{"at":"sea"}' },
      { type: 'tool-call', toolCallId: 'b', toolName: 'look', input: '{"at":"sky"}' },
      finish('tool-calls'),
    ])
    const lm = fromLanguageModel(model)
    const tools = [{ name: 'look', description: 'looks', parameters: { type: 'object' } }] as const
    const { toolCalls, finishReason } = await lm.generate(messages, { tools, toolChoice: { name: 'look' } })
    expect(finishReason).toBe('tool-calls')
    expect(toolCalls).toEqual([
      { index: 0, id: 'a', name: 'look', arguments: { at: 'sea' } },
      { index: 1, id: 'b', name: 'look', arguments: { at: 'sky' } },
    ])
    expect(calls[0]).toMatchObject({
      tools: [{ type: 'function', name: 'look', description: 'looks', inputSchema: { type: 'object' } }],
      toolChoice: { type: 'tool', toolName: 'look' },
    })
    await lm.generate([...messages, { role: 'assistant', content: '', toolCalls }, { role: 'tool', content: 'a whale', toolCallId: 'a' }])
    expect(calls[1]!.prompt.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'tool-call', toolCallId: 'a', toolName: 'look', input: { at: 'sea' } },
          { type: 'tool-call', toolCallId: 'b', toolName: 'look', input: { at: 'sky' } },
        ],
      },
      { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'a', toolName: 'look', output: { type: 'text', value: 'a whale' } }] },
    ])
    await expect(lm.generate([{ role: 'tool', content: 'x', toolCallId: 'z' }])).rejects.toMatchObject({ code: 'OPTION' })
  })

  it('makes objects of a schema', async () => {
    const { model, calls } = provider('v3', [...said('{"a"', ': 1', '}'), finish()])
    const partials: unknown[] = []
    let object: unknown
    for await (const part of fromLanguageModel(model).stream(messages, { schema: { type: 'object' } })) {
      if (part.type === 'object') partials.push(structuredClone(part.partial))
      if (part.type === 'finish') object = part.result.object
    }
    expect(object).toEqual({ a: 1 })
    expect(partials.at(-1)).toEqual({ a: 1 })
    expect(calls[0]!.responseFormat).toEqual({ type: 'json', schema: { type: 'object' } })
    const wrong = fromLanguageModel(provider('v3', [...said('no JSON'), finish()]).model)
    await expect(wrong.generate(messages, { schema: {} })).rejects.toMatchObject({ code: 'REMOTE' })
  })

  it('fails with typed errors, and by signal', async () => {
    const of = (...parts: readonly ModelStreamPart[]) => fromLanguageModel(provider('v3', parts).model)
    await expect(of({ type: 'error', error: new Error('overloaded') }).generate(messages)).rejects.toMatchObject({
      code: 'REMOTE',
      message: expect.stringContaining('overloaded'),
    })
    await expect(of(...said('a')).generate(messages)).rejects.toMatchObject({ code: 'REMOTE' })
    await expect(of(finish()).generate('a text')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(of(finish()).generate(messages, { logprobs: true })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(of(finish()).tokenize('x')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(of(finish()).generate(messages, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const warning = { type: 'stream-start', warnings: [{ type: 'unsupported', feature: 'seed' }] } as unknown as ModelStreamPart
    await expect(of(warning, finish()).generate(messages)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('seed'),
    })
    const warnings: unknown[] = []
    const heeding = fromLanguageModel(provider('v3', [warning, finish()]).model, { onWarnings: (all) => warnings.push(...all) })
    await heeding.generate(messages)
    expect(warnings).toHaveLength(1)
    const gone = of(finish())
    await gone.dispose()
    await expect(gone.generate(messages)).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})
