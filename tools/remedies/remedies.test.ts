import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LanguageModelCall, LanguageModelLike } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { askAll } from './ask.js'
import { endpointModel } from './endpoint.js'
import { drawExam } from './questions.js'
import { contains, normalise, shareOf } from './score.js'
import { extractiveSettings, modelRows, modelSettings } from './settings.js'
import { remarksOf, tableOf } from './table.js'
import { towns, townSquad as squad } from './testing/towns.js'

describe('the exam', () => {
  it('leaves out the paragraphs of the unanswerable questions, and is the same for the same seed', () => {
    const exam = drawExam(squad, { answerable: 10, unanswerable: 3, seed: 4 })
    expect([exam.documents.length, exam.answerable.length, exam.unanswerable.length]).toEqual([15, 10, 3])
    const texts = exam.documents.map(({ text }) => text).join('\n')
    for (const { answers, text } of exam.answerable) expect(texts.includes(answers[0]!), text).toBe(true)
    for (const { text, answers } of exam.unanswerable) {
      if (!text.startsWith('Who')) expect(texts.includes(answers[0]!), text).toBe(false)
    }
    expect(drawExam(squad, { answerable: 10, unanswerable: 3, seed: 4 })).toEqual(exam)
    expect(drawExam(squad, { answerable: 10, unanswerable: 3, seed: 5 })).not.toEqual(exam)
  })
})

describe('the score', () => {
  it("compares as SQuAD's evaluation does, by whole words", () => {
    expect(normalise('The “Saxon Garden”, in  Polish.')).toBe('saxon garden in polish')
    expect(contains('It was in the Saxon garden [1].', ['Saxon Garden'])).toBe(true)
    expect(contains('It has 308 points [30].', ['30'])).toBe(false)
    expect(contains('anything', [''])).toBe(false)
  })

  it('has intervals that hold the share and narrow with the number of questions', () => {
    const half = (n: number) => shareOf(Array.from({ length: n }, (_, i) => i % 2 === 0))
    const [few, many] = [half(20), half(400)]
    expect(few.mean).toBe(0.5)
    expect(few.low).toBeLessThan(0.5)
    expect(few.high).toBeGreaterThan(0.5)
    // The normal approximation of 1.96 standard errors, give or take the resampling.
    expect(many.high - many.low).toBeGreaterThan(0.08)
    expect(many.high - many.low).toBeLessThan(0.12)
    expect(few.high - few.low).toBeGreaterThan(many.high - many.low)
  })
})

describe('the rows', () => {
  const exam = drawExam(squad, { answerable: 12, unanswerable: 3, seed: 1 })

  it('are answered from the documents without a model', async () => {
    const results = await askAll(exam, extractiveSettings.slice(0, 3), { log: () => {} })
    expect(results[1]!.correct.mean).toBe(1)
    expect(results[1]!.citations).toEqual({ verbatim: 15 })
    expect(tableOf(results)).toMatch(/extractive: 8 passages, 1 sentence +100 % \(100–100\) +0 % \(0–0\)/)
  })

  it('tell an honest model from one that invents', async () => {
    const honest = modelOf((prompt) => {
      const town = towns.find((name) => new RegExp(`Question:[^]*${name}`).test(prompt))!
      const kind = /the (river|bridge) of/.exec(prompt.slice(prompt.lastIndexOf('Question:')))?.[1]
      const sentence = (
        kind === undefined ? new RegExp(`${town} was founded by [^.]*`) : new RegExp(`The ${kind} of ${town} carries [^.]*`)
      ).exec(prompt)?.[0]
      return sentence === undefined ? 'Not found in the documents.' : `"${sentence}" [1].`
    })
    const inventing = modelOf(() => 'It was Napoleon [1].')
    const row = async (model: LanguageModelLike, name: string) =>
      (
        await askAll(
          exam,
          modelSettings(model).filter((setting) => setting.name === name),
          { log: () => {} },
        )
      )[0]!
    const good = await row(honest, 'with retrieval')
    expect([good.correct.mean, good.wrong.mean, good.rightlyAbstained!.mean]).toEqual([1, 0, 1])
    const bad = await row(inventing, 'with retrieval')
    expect([bad.correct.mean, bad.wrong.mean, bad.rightlyAbstained!.mean]).toEqual([0, 1, 0])
    expect(bad.citations).toEqual({ missing: 15 })
    const closed = await row(honest, 'closed-book, temperature 0')
    expect([closed.abstained.mean, closed.rightlyAbstained]).toEqual([1, undefined])
    const broken = modelOf(() => {
      throw new Error('no credit')
    })
    // Given up after five questions, and the rows after it are asked nevertheless.
    const given = await askAll(exam, modelSettings(broken), { log: () => {} })
    expect(given.map(({ asked, failed }) => [asked, failed])).toEqual(modelRows.map(() => [5, 5]))
    expect(remarksOf(given)).toMatch(/^with retrieval: 5 calls failed, 5 questions were asked. The first: .*no credit$/m)
    expect(modelSettings(honest).map(({ name }) => name)).toEqual([...modelRows])
  })
})

describe('an endpoint', () => {
  it('is asked as OpenAI-compatible servers expect, and answers with text or calls', async () => {
    const bodies: Record<string, unknown>[] = []
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (bytes) => (text += String(bytes)))
      request.on('end', () => {
        bodies.push({ url: request.url, key: request.headers.authorization, ...(JSON.parse(text) as object) })
        const reply =
          bodies.length === 1
            ? {
                finish_reason: 'tool_calls',
                message: {
                  content: null,
                  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'search', arguments: '{"query":"x"}' } }],
                },
              }
            : { finish_reason: 'stop', message: { content: 'Done.' } }
        response.end(JSON.stringify({ choices: [reply], usage: { prompt_tokens: 4, completion_tokens: 2 } }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    const model = endpointModel({ url: `http://localhost:${(server.address() as AddressInfo).port}/v1/`, modelId: 'm', key: 'k' })
    const call: LanguageModelCall = {
      prompt: [
        { role: 'system', content: 'S' },
        { role: 'user', content: [{ type: 'text', text: 'U' }] },
        { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c0', toolName: 'search', input: { query: 'y' } }] },
        { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c0', toolName: 'search', output: { type: 'text', value: 'R' } }] },
      ],
      temperature: 0,
      tools: [{ type: 'function', name: 'search', inputSchema: { type: 'object' } }],
      toolChoice: { type: 'auto' },
      responseFormat: { type: 'json', schema: { type: 'object' }, name: 'answer' },
    }
    const first = await model.doGenerate(call)
    expect(first).toMatchObject({
      content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'search', input: '{"query":"x"}' }],
      finishReason: 'tool-calls',
    })
    const parts = []
    for (const reader = (await model.doStream(call)).stream.getReader(); ;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
    }
    expect(parts).toMatchObject([
      { type: 'text-delta', delta: 'Done.' },
      { type: 'finish', finishReason: 'stop' },
    ])
    expect(bodies[0]).toMatchObject({
      url: '/v1/chat/completions',
      key: 'Bearer k',
      model: 'm',
      temperature: 0,
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'U' },
        { role: 'assistant', content: '', tool_calls: [{ id: 'c0', function: { name: 'search', arguments: '{"query":"y"}' } }] },
        { role: 'tool', tool_call_id: 'c0', content: 'R' },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } },
      tool_choice: 'auto',
    })
    await new Promise((resolve) => server.close(resolve))
  })
})

function modelOf(reply: (prompt: string) => string): LanguageModelLike {
  return {
    specificationVersion: 'v3',
    provider: 'test',
    modelId: 'scripted',
    doGenerate: () => Promise.reject(new Error('not used')),
    doStream({ prompt }) {
      const last = prompt.at(-1)!
      const text = last.role === 'user' ? last.content.map((part) => part.text).join('') : ''
      const delta = reply(text)
      return Promise.resolve({
        stream: new ReadableStream({
          start(controller) {
            controller.enqueue({ type: 'text-delta', id: '0', delta })
            controller.close()
          },
        }),
      })
    },
  }
}
