// Servers of others as models: remoteModel beside llama.cpp's server with SmolLM2-135M-Instruct. vLLM, TGI and Ollama are not run here: what they are sent is tested in CI alone.
import { join } from 'node:path'
import { remoteModel, type Lm, type LmOptions } from '@tesserae/transformer'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { realModel } from '../models.js'
import { llamaServer, startLlamaServer, type RunningServer } from '../peers/llama-server.js'

const question = [{ role: 'user', content: 'What is the capital of France?' }] as const
const greedy = { temperature: 0 }
const weather = {
  name: 'weather',
  description: 'The weather in a city',
  parameters: { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'], additionalProperties: false },
} as const
/** Calls that were made before, so many that a small model goes on so: the grammar of llama.cpp lets it talk first, also where a call is asked for, and what it does then changes from run to run. */
const called = [
  ...['Rome', 'Madrid', 'London', 'Berlin', 'Vienna', 'Lisbon'].flatMap((city, i) => [
    { role: 'user', content: `What is the weather in ${city}?` } as const,
    { role: 'assistant', content: '', toolCalls: [{ index: 0, id: `call${i}`, name: 'weather', arguments: { city } }] } as const,
    { role: 'tool', toolCallId: `call${i}`, content: 'sunny' } as const,
  ]),
  { role: 'user', content: 'What is the weather in Paris?' } as const,
]

type Case = (lm: Lm, server: RunningServer) => Promise<{ readonly said: unknown; readonly met: boolean }>

const cases: Readonly<Record<string, readonly [target: string, run: Case]>> = {
  'a conversation, in pieces': [
    'Paris, in several parts',
    async (lm) => {
      let [parts, said] = [0, '']
      for await (const part of lm.stream(question, { maxTokens: 24, sampler: greedy }))
        if (part.type === 'text') [parts, said] = [parts + 1, said + part.text]
      return { said: `${said.trim()} (${parts} parts)`, met: said.includes('Paris') && parts > 3 }
    },
  ],
  'a text that is gone on with': [
    'Paris',
    async (lm) => {
      const { text, usage, finishReason } = await lm.generate('The capital of France is', { maxTokens: 4, sampler: greedy })
      return {
        said: { text, usage, finishReason },
        met: text.includes('Paris') && usage.completionTokens === 4 && finishReason === 'length',
      }
    },
  ],
  'ids of a text, and an answer to ids': [
    'as to the text',
    async (lm) => {
      const ids = await lm.tokenize('The capital of France is')
      const { text } = await lm.generate(ids, { maxTokens: 4, sampler: greedy })
      return { said: { ids: [...ids], text }, met: ids.length > 3 && text.includes('Paris') }
    },
  ],
  'a seed': [
    'the same again, another with another',
    async (lm) => {
      const say = async (seed: number): Promise<string> =>
        (await lm.generate(question, { maxTokens: 12, sampler: { temperature: 1.5, topK: 0, topP: 1, seed } })).text
      const all = [await say(1), await say(1), await say(2)]
      return { said: all, met: all[0] === all[1] && all[1] !== all[2] }
    },
  ],
  'log-probabilities, of a conversation and of a text': [
    '3 of the most likely, with ids and bytes',
    async (lm) => {
      const told = [question, 'The capital of France is'] as const
      const all = await Promise.all(
        told.map(async (prompt) => (await lm.generate(prompt, { maxTokens: 3, sampler: greedy, logprobs: 3 })).logprobs ?? []),
      )
      const met = all.every(
        (list) =>
          list.length === 3 &&
          list.every(
            ({ id, bytes, logprob, top }) => id >= 0 && bytes.length > 0 && logprob <= 0 && top.length === 3 && top[0]!.logprob === logprob,
          ),
      )
      return { said: all.map((list) => list.map(({ bytes, logprob }) => `${new TextDecoder().decode(bytes)} ${logprob.toFixed(2)}`)), met }
    },
  ],
  'an object by a schema': [
    'valid, in a conversation and behind a text',
    async (lm) => {
      const schema = {
        type: 'object',
        properties: { city: { enum: ['Paris', 'Rome'] }, large: { type: 'boolean' } },
        required: ['city', 'large'],
        additionalProperties: false,
      }
      const objects = [
        await lm.generate(question, { maxTokens: 60, schema }),
        await lm.generate('The largest city:', { maxTokens: 60, schema }),
      ].map(({ object }) => object as { readonly city?: string; readonly large?: boolean } | undefined)
      return { said: objects, met: objects.every((one) => ['Paris', 'Rome'].includes(one?.city ?? '') && typeof one?.large === 'boolean') }
    },
  ],
  'a call of a tool that is named': [
    'weather with a city',
    async (lm) => {
      const tide = { ...weather, name: 'tide' }
      const { toolCalls, finishReason, text } = await lm.generate(called, {
        maxTokens: 80,
        sampler: greedy,
        tools: [tide, weather],
        toolChoice: { name: 'weather' },
      })
      const met = toolCalls[0]?.name === 'weather' && typeof toolCalls[0].arguments['city'] === 'string' && finishReason === 'tool-calls'
      return { said: toolCalls.length > 0 ? toolCalls.map(({ name, arguments: given }) => ({ name, given })) : text, met }
    },
  ],
  'settings of sampling, and a text that ends the answer': [
    'taken; cut before it',
    async (lm) => {
      const sampler = {
        temperature: 0.5,
        topK: 5,
        topP: 0.9,
        minP: 0.1,
        repetitionPenalty: 1.1,
        frequencyPenalty: 0.2,
        presencePenalty: 0.1,
        logitBias: { 5: 1 },
      }
      await lm.generate(question, { maxTokens: 3, sampler })
      const { text, finishReason } = await lm.generate(question, { maxTokens: 24, sampler: greedy, stop: ['Paris'] })
      return { said: text, met: !text.includes('Paris') && text !== '' && finishReason === 'stop' }
    },
  ],
  'four calls side by side': [
    'four answers',
    async (lm) => {
      const all = await Promise.all(
        [1, 2, 3, 4].map((seed) => lm.generate(question, { maxTokens: 8, sampler: { temperature: 1.5, seed } })),
      )
      return {
        said: all.map(({ text }) => text),
        met: all.every(({ text }) => text !== '') && new Set(all.map(({ text }) => text)).size > 1,
      }
    },
  ],
  'a signal that is aborted': [
    'AbortError, and the server computes no more',
    async (lm, server) => {
      const controller = new AbortController()
      const settings: LmOptions = { maxTokens: 1500, signal: controller.signal, sampler: { temperature: 1, logitBias: { 2: -100 } } }
      let [name, parts] = ['', 0]
      try {
        for await (const _ of lm.stream(question, settings)) if (++parts === 3) controller.abort()
      } catch (error) {
        name = (error as Error).name
      }
      const end = performance.now() + 5000
      while ((await server.isBusy()) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
      const busy = await server.isBusy()
      return { said: `${name} after ${parts} parts, ${busy ? 'still busy' : 'idle'}`, met: name === 'AbortError' && !busy }
    },
  ],
  'what is wrong': [
    'CAPACITY, OPTION, UNSUPPORTED, REMOTE',
    async (lm, { url }) => {
      const codeOf = (work: Promise<unknown>): Promise<string> =>
        work.then(
          () => 'none',
          (error: { readonly code?: string }) => error.code ?? String(error),
        )
      const codes = [
        await codeOf(lm.generate('word '.repeat(5000), { maxTokens: 1 })),
        await codeOf(lm.generate(question, { maxTokens: 1, schema: { $ref: '#/none' } })),
        await codeOf(lm.generate(question, { maxTokens: 1, stop: [2] })),
        await codeOf(remoteModel({ url: 'http://127.0.0.1:1/v1', retries: 0 })),
        await codeOf(remoteModel({ url, model: 'other' })),
      ]
      return { said: codes.join(', '), met: codes.join() === 'CAPACITY,OPTION,UNSUPPORTED,REMOTE,OPTION' }
    },
  ],
}

const source: RowSource = async ({ log }) => {
  const label = "llama.cpp's server through remoteModel"
  let server: RunningServer | undefined
  const rows: Row[] = []
  try {
    const llama = llamaServer()
    const template = join(llama.templates, 'Qwen-Qwen2.5-7B-Instruct.jinja') // ChatML with tools, which SmolLM2's own lacks
    server = await startLlamaServer(llama, [
      '-m',
      realModel('SmolLM2-135M-Instruct.Q4_1.gguf'),
      '-c',
      '2048',
      '-t',
      '2',
      '--jinja',
      '--chat-template-file',
      template,
    ])
    const lm = await remoteModel({ url: server.url, server: 'llama.cpp' })
    for (const [name, [target, run]] of Object.entries(cases)) {
      const { said, met } = await run(lm, server).catch((error: unknown) => ({ said: String(error), met: false }))
      log(`${name}: ${JSON.stringify(said)}`)
      rows.push(row(`${label}: ${name}`, target, JSON.stringify(said).slice(0, 200), met))
    }
  } catch (error) {
    rows.push(unavailable(label, 'all that servers can do', error))
  } finally {
    await server?.stop()
  }
  return rows
}
export default source
