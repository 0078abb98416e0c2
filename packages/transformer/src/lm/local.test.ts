import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createModel } from '../generate/model.js'
import { createLm, type LocalLm } from './local.js'
import { chatModel, plainTemplate, thinkingTemplate, toolTemplate } from './testing/chat-model.js'
import { saying } from './testing/scripted.js'
import type { LmMessage, LmOptions, LmPart } from './types.js'

const made: LocalLm[] = []
const lmOf = async (template: string): Promise<LocalLm> => {
  const { config, weights, tokenizer } = await chatModel(template)
  const lm = createLm({ model: await createModel({ config, weights, tokenizer }), tokenizer, info: { id: 'tiny' } })
  made.push(lm)
  return lm
}
let lm: LocalLm
let thinking: LocalLm
let toolless: LocalLm
beforeAll(async () => {
  ;[lm, thinking, toolless] = await Promise.all([lmOf(toolTemplate), lmOf(thinkingTemplate), lmOf(plainTemplate)])
})
afterAll(() => Promise.all(made.map((one) => one.dispose())))

const ask: readonly LmMessage[] = [{ role: 'user', content: 'the whale' }]
const weather = {
  name: 'weather',
  description: 'of a city',
  parameters: { type: 'object', properties: { city: { type: 'string', maxLength: 4 } }, required: ['city'], additionalProperties: false },
} as const
const partsOf = async (parts: AsyncIterable<LmPart>): Promise<LmPart[]> => {
  const all: LmPart[] = []
  for await (const part of parts) all.push(part)
  return all
}
describe('an answer', () => {
  it('is that of the decoder, in parts that make up the whole', async () => {
    const direct = await lm.model.generate('the whale', { maxTokens: 12 })
    const whole = await lm.generate('the whale', { maxTokens: 12 })
    expect(whole).toMatchObject({ text: direct.text, tokens: direct.ids, finishReason: 'length', reasoning: '', toolCalls: [] })
    expect(whole.usage).toEqual({ promptTokens: direct.promptTokens, cachedTokens: 0, completionTokens: 12 })
    const parts = await partsOf(lm.stream('the whale', { maxTokens: 12 }))
    expect(parts.map((part) => (part.type === 'text' ? part.text : '')).join('')).toBe(whole.text)
    expect(parts.at(-1)).toMatchObject({ type: 'finish', result: { text: whole.text } })
  })

  it('begins where the template begins it, and ends with its tokens', async () => {
    const ids = await lm.tokenize(ask)
    expect(lm.tokenizer.decode(ids)).toBe('<|im_start|>user\nthe whale<|im_end|>\n<|im_start|>assistant\n')
    const said = await lm.generate(ask, { sampler: saying(lm, 'the ship') })
    expect(said).toMatchObject({ text: 'the ship', finishReason: 'stop' })
    expect(lm.tokenizer.decode(await lm.tokenize([...ask, { role: 'assistant', content: 'the' }]))).toMatch(/assistant\nthe$/)
  })

  it('ends at stop texts and ids, which do not show', async () => {
    const stopped = await lm.generate(ask, { sampler: saying(lm, 'the ship sails'), stop: ['ip s'] })
    expect(stopped).toMatchObject({ text: 'the sh', finishReason: 'stop' })
    const id = lm.tokenizer.encode(' sails')[0]!
    expect((await lm.generate(ask, { sampler: saying(lm, 'the ship sails'), stop: [id] })).text).toBe('the ship')
  })

  it('has log-probabilities with bytes and what else might have come', async () => {
    const { logprobs, tokens } = await lm.generate('the whale', { maxTokens: 3, logprobs: 4 })
    const direct = await lm.model.generate('the whale', { maxTokens: 3, logprobs: true })
    expect(logprobs!.map(({ id }) => id)).toEqual(tokens)
    logprobs!.forEach(({ logprob, top, bytes, id }, i) => {
      expect(logprob).toBeCloseTo(direct.logprobs![i]!, 6)
      expect(top[0]).toEqual({ id, bytes, logprob })
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).sort((a, b) => b - a))
      expect(top).toHaveLength(4)
    })
    expect((await lm.generate('the', { maxTokens: 1, logprobs: true })).logprobs![0]!.top).toEqual([])
    await expect(lm.generate('the', { logprobs: 1.5 })).rejects.toMatchObject({ code: 'OPTION' })
  })

  it('is searched for by contrast', async () => {
    const contrastive = { penaltyAlpha: 0.6, topK: 3 }
    const direct = await lm.model.generate('the whale', { maxTokens: 12, contrastive })
    const said = await lm.generate('the whale', { maxTokens: 12, contrastive, logprobs: 2 })
    expect(said).toMatchObject({ text: direct.text, tokens: direct.ids })
    expect(said.logprobs).toHaveLength(12)
    expect((await lm.generate('the whale', { maxTokens: 12 })).text).not.toBe(said.text)
    const refused = (options: LmOptions, why: string) => expect(lm.generate(ask, { contrastive, ...options })).rejects.toThrow(why)
    await refused({ sampler: { temperature: 1 } }, 'contrastive chooses tokens itself; leave sampler out')
    await refused({ schema: { type: 'object' } }, 'leave schema out')
    await refused({ tools: [weather] }, 'leave tools out')
    await expect(lm.generate(ask, { contrastive: { topK: 99 } })).rejects.toThrow(
      'contrastive: topK must be an integer from 1 to 8, the places',
    )
  })

  it('is sampled by settings over those of the model', async () => {
    const say = async (seed: number) => (await lm.generate('the', { maxTokens: 8, sampler: { temperature: 5, seed } })).text
    expect(await say(1)).toBe(await say(1))
    expect(await say(1)).not.toBe(await say(2))
    await expect(lm.generate('the', { sampler: { temperature: -1 } })).rejects.toMatchObject({ code: 'VALUE' })
  })
})

describe('reasoning', () => {
  it('is split off where the template begins it', async () => {
    const parts = await partsOf(thinking.stream(ask, { sampler: saying(thinking, 'the ship </think>\n\nthe whale') }))
    const said = (type: string) => parts.map((part) => (part.type === type && 'text' in part ? part.text : '')).join('')
    expect([said('reasoning'), said('text')]).toEqual(['the ship', 'the whale'])
    expect(parts.at(-1)).toMatchObject({ result: { reasoning: 'the ship', text: 'the whale' } })
  })

  it('comes before an object', async () => {
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer', minimum: 0, maximum: 9 } },
      required: ['n'],
      additionalProperties: false,
    }
    const { reasoning, object } = await thinking.generate(ask, { schema, sampler: saying(thinking, 'the</think>{"n":1}') })
    expect({ reasoning, object }).toEqual({ reasoning: 'the', object: { n: 1 } })
  })

  it('is text in a text that is gone on with', async () => {
    expect((await thinking.generate('the', { sampler: saying(thinking, 'a') })).text).toBe('a')
  })
})

describe('a schema', () => {
  it('holds whatever the model says, and the object grows', async () => {
    const schema = {
      type: 'object',
      properties: { a: { enum: ['x', 'yy'] }, b: { type: 'boolean' } },
      required: ['a', 'b'],
      additionalProperties: false,
    }
    for (const seed of [1, 2, 3]) {
      const parts = await partsOf(lm.stream(ask, { schema, sampler: { temperature: 3, seed } }))
      const { object, text, finishReason } = (parts.at(-1) as Extract<LmPart, { type: 'finish' }>).result
      expect(JSON.parse(text)).toEqual(object)
      expect(Object.keys(object as object)).toEqual(['a', 'b'])
      expect(finishReason).toBe('stop')
      const partials = parts.flatMap((part) => (part.type === 'object' ? [part.partial] : []))
      expect(partials.length).toBeGreaterThan(1)
      expect(partials.at(-1)).toEqual(object)
      expect(partials[0]).not.toEqual(object)
    }
  })

  it("may be Zod's, which types and validates", async () => {
    const schema = z.object({
      n: z
        .number()
        .int()
        .min(0)
        .max(9)
        .transform((n) => `n${n}`),
    })
    const result = await lm.generate(ask, { schema, sampler: { temperature: 2, seed: 1 } })
    expectTypeOf(result.object).toEqualTypeOf<{ n: string } | undefined>()
    expect(result.object!.n).toMatch(/^n\d$/)
    const strict = z.object({ n: z.number().int().min(0).max(9) }).refine(() => false, 'never')
    await expect(lm.generate(ask, { schema: strict })).rejects.toMatchObject({ code: 'OUTPUT', message: expect.stringContaining('never') })
  })

  it('has no object where it is cut off', async () => {
    const { object, finishReason } = await lm.generate(ask, {
      schema: { type: 'array', items: { type: 'integer' }, minItems: 40 },
      maxTokens: 5,
    })
    expect([object, finishReason]).toEqual([undefined, 'length'])
    // What there is of a number may be all of it, or not.
    const number = { type: 'integer', minimum: 10_000_000, maximum: 99_999_999 }
    const cut = await lm.generate(ask, { schema: number, maxTokens: 2 })
    expect([cut.text.length > 0, cut.object, cut.finishReason]).toEqual([true, undefined, 'length'])
    expect((await lm.generate(ask, { schema: number })).object).toBeGreaterThanOrEqual(10_000_000)
  })

  it('is refused where it is none, or does not say what it is', async () => {
    const bare = { '~standard': { version: 1, vendor: 'valibot', validate: (value: unknown) => ({ value }) } } as const
    await expect(lm.generate(ask, { schema: bare })).rejects.toThrow('toStandardJsonSchema')
    await expect(lm.generate(ask, { schema: { type: 'nothing' } })).rejects.toMatchObject({ code: 'GRAMMAR' })
  })
})

describe('tools', () => {
  it.each(['with a template that knows them', 'with one that does not'])('are called %s', async (which) => {
    const model = which.includes('not') ? toolless : lm
    const parts = await partsOf(
      model.stream(ask, { tools: [weather], toolChoice: 'required', parallelToolCalls: false, sampler: { temperature: 2, seed: 3 } }),
    )
    const { toolCalls, finishReason } = (parts.at(-1) as Extract<LmPart, { type: 'finish' }>).result
    expect(finishReason).toBe('tool-calls')
    expect(toolCalls).toHaveLength(1)
    const [call] = toolCalls
    expect(call).toMatchObject({ name: 'weather', arguments: { city: expect.any(String) } })
    expect(call!.id).toMatch(/^[A-Za-z0-9]{9}$/)
    const deltas = parts.flatMap((part) => (part.type === 'tool-call-delta' ? [part.delta] : []))
    expect(JSON.parse(deltas.join(''))).toEqual(call!.arguments)
  })

  it('are called when the model wants to, with text before', async () => {
    const call = '<tool_call>\n{"name": "weather", "arguments": {"city":"the"}}\n</tool_call>'
    const result = await lm.generate(ask, { tools: [weather], sampler: saying(lm, `the ship\n${call}`) })
    expect(result).toMatchObject({
      text: 'the ship\n',
      finishReason: 'tool-calls',
      toolCalls: [{ name: 'weather', arguments: { city: 'the' } }],
    })
    expectTypeOf(result.toolCalls[0]!.name).toEqualTypeOf<'weather'>()
    const free = await lm.generate(ask, { tools: [weather], toolChoice: 'none', sampler: saying(lm, 'the ship') })
    expect(free).toMatchObject({ text: 'the ship', finishReason: 'stop' })
    const wrong = saying(lm, '<tool_call>\n{"name": "other"')
    await expect(lm.generate(ask, { tools: [weather], sampler: wrong })).rejects.toMatchObject({ code: 'TOKEN' })
  })

  it('go together with a schema: a call, or the object', async () => {
    const schema = { type: 'object', properties: { n: { const: 1 } }, required: ['n'], additionalProperties: false }
    expect(await lm.generate(ask, { tools: [weather], schema, sampler: saying(lm, '{"n":1}') })).toMatchObject({
      object: { n: 1 },
      toolCalls: [],
    })
    const call = '<tool_call>\n{"name": "weather", "arguments": {"city":"the"}}\n</tool_call>'
    expect(await lm.generate(ask, { tools: [weather], schema, sampler: saying(lm, call) })).toMatchObject({
      object: undefined,
      finishReason: 'tool-calls',
    })
  })

  it('and their results are written into the conversation', async () => {
    const call = { index: 0, id: 'abcdefghi', name: 'weather', arguments: { city: 'the' } }
    const talk: readonly LmMessage[] = [
      ...ask,
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', content: 'sun', toolCallId: 'abcdefghi' },
    ]
    expect(lm.tokenizer.decode(await lm.tokenize(talk, { tools: [weather] }))).toContain(
      '<tool_call>{"name": "weather", "arguments": {"city": "the"}}</tool_call>',
    )
    const described = toolless.tokenizer.decode(await toolless.tokenize(talk, { tools: [weather] }))
    expect(described).toContain('"description":"of a city"')
    expect(described).toContain('<tool_response>\nsun\n</tool_response>')
  })
})

describe('calls', () => {
  it('side by side wait their turn and answer as alone', async () => {
    const alone = (await lm.generate('the whale', { maxTokens: 6 })).text
    const all = await Promise.all([1, 2, 3].map(() => lm.generate('the whale', { maxTokens: 6 })))
    expect(all.map(({ text }) => text)).toEqual([alone, alone, alone])
  })

  it('are aborted before, while they wait, and within a step', async () => {
    await expect(lm.generate('the', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const [first, waiting] = [new AbortController(), new AbortController()]
    let steps = 0
    const counted: LmOptions = { signal: first.signal, sampler: { choose: () => (++steps === 3 ? (first.abort(), 5) : 5) } }
    const running = lm.generate('the', counted)
    const queued = lm.generate('the', { signal: waiting.signal })
    const third = lm.generate('the', { maxTokens: 1 })
    waiting.abort()
    await expect(queued).rejects.toMatchObject({ name: 'AbortError' })
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect(steps).toBe(3)
    expect((await third).tokens).toHaveLength(1)
  })

  it('end when the reader leaves, and the next goes on', async () => {
    for await (const part of lm.stream('the')) if (part.type === 'text') break
    expect((await lm.generate('the', { maxTokens: 1 })).finishReason).toBe('length')
  })

  it('fail with the model', async () => {
    const short = await lmOf(plainTemplate)
    const stream = short.stream('the')
    await stream.next()
    await short.dispose()
    await expect(stream.next()).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(short.generate('the')).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it.each<[string, unknown, object, string]>([
    ['a prompt that is none', undefined, {}, 'a prompt is a text, a list of messages, or ids; got undefined'],
    ['an object', {}, {}, 'a prompt is a text, a list of messages, or ids; got {}'],
    ['parts', [{ role: 'user', content: [{ type: 'text', text: 'x' }] }], {}, 'messages[0].content is a text'],
    ['stop', 'x', { stop: 'a' }, 'stop is a list of texts and ids; got "a"'],
    [
      'a name of a sampler',
      'x',
      { sampler: 'greedy' },
      'sampler is settings such as { temperature: 0.8 }, or an object that chooses; got "greedy"',
    ],
    ['a setting that is none', 'x', { sampler: { topk: 5 } }, 'sampler has no setting topk; expected temperature, topK,'],
    ['a setting elsewhere', 'x', { temperature: 0 }, 'temperature is a setting of the sampler: sampler: { temperature: 0 }'],
    ['contrast', 'x', { contrastive: true }, 'contrastive is an object of penaltyAlpha, topK; got true'],
    ['contrast of other names', 'x', { contrastive: { alpha: 1 } }, 'contrastive has no setting alpha'],
    ['a signal', 'x', { signal: {} }, 'signal is an AbortSignal; got {}'],
    ['tools', 'x', { tools: { name: 'x' } }, 'tools is a list; got {"name":"x"}'],
  ])('are refused where they ask for what is no option: %s', async (_, prompt, options, message) => {
    const error = await lm.generate(prompt as never, { maxTokens: 1, ...options }).catch((one: unknown) => one)
    expect(error).toMatchObject({ code: 'OPTION', message: expect.stringContaining(message) })
  })

  it('are refused with what is wrong', async () => {
    await expect(lm.generate([])).rejects.toMatchObject({ code: 'OPTION' })
    await expect(lm.generate([9999])).rejects.toMatchObject({ code: 'TOKEN' })
    await expect(lm.generate('the', { maxTokens: 10_000 })).rejects.toMatchObject({ code: 'CAPACITY' })
    await expect(lm.generate('the', { toolChoice: 'required' })).rejects.toThrow('there are no tools')
  })
})
