import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createModel } from '../generate/model.js'
import { createLm, type LocalLm } from './local.js'
import { defineTool, runTools, type RunnableTool } from './run-tools.js'
import { chatModel, toolTemplate } from './testing/chat-model.js'
import { callText, scripted } from './testing/scripted.js'
import type { LmMessage } from './types.js'

let lm: LocalLm
beforeAll(async () => {
  const made = await chatModel(toolTemplate)
  lm = createLm({ model: await createModel(made), tokenizer: made.tokenizer })
})
afterAll(() => lm.dispose())

const ask: readonly LmMessage[] = [{ role: 'user', content: 'the' }]
const weather = defineTool({
  name: 'weather',
  parameters: z.object({ city: z.string() }),
  execute({ city }) {
    expectTypeOf(city).toEqualTypeOf<string>()
    return { sun: city }
  },
})

describe('runTools', () => {
  it('runs calls side by side and goes on with what they give', async () => {
    const running: string[] = []
    const slow: RunnableTool = defineTool({
      name: 'slow',
      parameters: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
      async execute({ n }, { toolCallId, messages }) {
        running.push(`${String(n)} begins`)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running.push(`${String(n)} ends`)
        expect(toolCallId).toMatch(/^\w{9}$/)
        expect(messages).toEqual(ask)
        return `n${String(n)}`
      },
    })
    const { lm: one, asked } = scripted(lm, [`${callText('slow', { n: 1 })}\n${callText('slow', { n: 2 })}`, 'the whale'])
    const seen: string[] = []
    const result = await runTools(one, ask, {
      tools: [slow, weather],
      onStep: ({ toolResults }) => void seen.push(...toolResults.map(({ content }) => content)),
    })
    expect(running).toEqual(['1 begins', '2 begins', '1 ends', '2 ends'])
    expect(seen).toEqual(['n1', 'n2'])
    expect(result).toMatchObject({ text: 'the whale', finishReason: 'stop' })
    expect(result.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant'])
    expect(asked[1]!.prompt).toHaveLength(4)
    expect(result.usage.completionTokens).toBe(result.steps.reduce((sum, step) => sum + step.result.tokens.length, 0))
  })

  it('tells the model what went wrong', async () => {
    const failing = defineTool({
      name: 'failing',
      execute: () => {
        throw new Error('no power')
      },
    })
    const picky = defineTool({ name: 'picky', parameters: z.object({ n: z.number().refine(() => false, 'never') }), execute: () => 1 })
    const { lm: one } = scripted(lm, [`${callText('failing', {})}\n${callText('picky', { n: 1 })}`, 'the'])
    const { steps } = await runTools(one, ask, { tools: [failing, picky] })
    expect(steps[0]!.toolResults).toMatchObject([
      { content: 'Error: no power', isError: true },
      { content: expect.stringContaining('n: never'), isError: true },
    ])
  })

  it('ends when the steps are used up, and forces the first alone', async () => {
    const { lm: one, asked } = scripted(lm, [callText('weather', { city: 'a' }), callText('weather', { city: 'b' })])
    const { finishReason, steps } = await runTools(one, ask, { tools: [weather], maxSteps: 2, toolChoice: 'required' })
    expect([finishReason, steps.length]).toEqual(['tool-calls', 2])
    expect(asked.map(({ options }) => options.toolChoice)).toEqual(['required', 'auto'])
    await expect(runTools(one, ask, { tools: [], maxSteps: 0 })).rejects.toMatchObject({ code: 'OPTION' })
  })

  it('ends with its signal, in a tool too', async () => {
    const controller = new AbortController()
    const aborting = defineTool({
      name: 'aborting',
      execute: (_, { signal }) => {
        controller.abort()
        signal!.throwIfAborted()
      },
    })
    const { lm: one } = scripted(lm, [callText('aborting', {})])
    await expect(runTools(one, ask, { tools: [aborting], signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
  })
})
