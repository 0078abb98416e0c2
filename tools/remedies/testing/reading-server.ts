/**
 * An OpenAI-compatible server over HTTP in the place of a model: what it answers depends on what it is sent alone. It knows some answers by heart,
 * reads sources sentence by sentence, searches when it is offered a tool, writes JSON when it is asked to, and says that it does not know
 * in the words that it was told to use. Away from temperature 0 it invents what it does not know.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The part of a request that the server looks at. */
export interface ChatRequest {
  readonly path: string
  readonly authorization: string | undefined
  readonly model: string
  readonly temperature?: number
  readonly max_tokens?: number
  readonly messages: readonly { readonly role: string; readonly content: string; readonly tool_calls?: readonly unknown[] }[]
  readonly tools?: readonly {
    readonly function: { readonly name: string; readonly parameters: { readonly required?: readonly string[] } }
  }[]
  readonly tool_choice?: unknown
  readonly response_format?: {
    readonly type: string
    readonly json_schema?: { readonly schema: { readonly required?: readonly string[] } }
  }
}

export interface ReadingServer {
  /** To be given as --endpoint. */
  readonly url: string
  /** Everything it was sent, in order. */
  readonly requests: readonly ChatRequest[]
  close(): Promise<void>
}

export interface ReadingServerOptions {
  /** Answers known without sources. */
  readonly memory: ReadonlyMap<string, string>
  /** Share of the question's words that a sentence must have to answer it. */
  readonly support: number
  /** Refuses requests that offer tools, as servers do whose models cannot call them. */
  readonly withoutTools?: boolean
}

/** What it says, away from temperature 0, where it knows nothing: right nowhere. */
export const invention = 'It was Napoleon Bonaparte in 1812.'

export async function readingServer(options: ReadingServerOptions): Promise<ReadingServer> {
  const requests: ChatRequest[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (bytes: Buffer) => parts.push(bytes))
    request.on('end', () => {
      const sent = {
        ...(JSON.parse(Buffer.concat(parts).toString()) as ChatRequest),
        path: request.url!,
        authorization: request.headers.authorization,
      }
      requests.push(sent)
      response.setHeader('content-type', 'application/json')
      if (options.withoutTools === true && sent.tools !== undefined) {
        response.statusCode = 400
        response.end(JSON.stringify({ error: { message: 'this model has no tools' } }))
        return
      }
      const message = replyTo(sent, options)
      response.end(
        JSON.stringify({
          choices: [{ finish_reason: 'tool_calls' in message ? 'tool_calls' : 'stop', message: { role: 'assistant', ...message } }],
          usage: { prompt_tokens: 1, completion_tokens: 1 },
        }),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

type Message = { readonly content: string } | { readonly content: null; readonly tool_calls: readonly object[] }

function replyTo(
  { messages, tools = [], tool_choice, temperature = 1, response_format }: ChatRequest,
  { memory, support }: ReadingServerOptions,
): Message {
  const question = questionIn(messages.findLast(({ role }) => role === 'user')!.content)
  const found = messages.filter(({ role }) => role === 'tool').map(({ content }) => content)
  const search = tools.find(({ function: { parameters } }) => parameters.required?.includes('query'))
  if (search !== undefined && tool_choice === 'auto' && found.length === 0) {
    const call = { name: search.function.name, arguments: JSON.stringify({ query: question }) }
    return { content: null, tool_calls: [{ id: 'search-1', type: 'function', function: call }] }
  }
  const sources = sourcesIn([...found, messages.at(-1)!.content].join('\n\n'))
  const answer = sources.length === 0 ? recall(question, memory, temperature) : bestSentence(question, sources, support)
  const fields = response_format?.json_schema?.schema.required
  if (fields !== undefined) {
    const values: Record<string, unknown> = {
      answer: answer?.text ?? '',
      quote: answer?.text ?? '',
      source: answer?.source ?? null,
      abstain: answer === undefined,
    }
    return { content: JSON.stringify(Object.fromEntries(fields.map((field) => [field, values[field] ?? null]))) }
  }
  if (answer === undefined) return { content: unknownIn(messages[0]!.content) }
  return { content: answer.source === undefined ? answer.text : `"${answer.text}" [${answer.source}].` }
}

interface Sentence {
  readonly text: string
  /** The number of the source it stands in. */
  readonly source?: number
}

const recall = (question: string, memory: ReadonlyMap<string, string>, temperature: number): Sentence | undefined => {
  const known = memory.get(question)
  if (known !== undefined) return { text: known }
  return temperature > 0 ? { text: invention } : undefined
}

const questionIn = (message: string): string => /Question:\n(-{5,})\n([^]*?)\n\1/.exec(message)?.[2] ?? message

/** Numbered sources between fences. */
const sourcesIn = (text: string): Sentence[] =>
  [...text.matchAll(/^\[(\d+)\] .*\n(-{5,})\n([^]*?)\n\2$/gm)].flatMap(([, number, , body]) =>
    body!.split(/(?<=[.!?])\s+/).map((sentence) => ({ text: sentence, source: Number(number) })),
  )

/** The sentence that instructions give for not knowing; without one, nothing that would pass for it. */
const unknownIn = (instructions: string): string => /reply with exactly this sentence and nothing else: (.*)/.exec(instructions)?.[1] ?? ''

const common = new Set(['does', 'from', 'have', 'many', 'that', 'were', 'what', 'when', 'where', 'which', 'with'])

/** The words that carry meaning: of four letters or more, without the commonest. */
const wordsOf = (text: string): Set<string> =>
  new Set((text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []).filter((word) => !common.has(word)))

function bestSentence(question: string, sentences: readonly Sentence[], support: number): Sentence | undefined {
  const asked = wordsOf(question)
  let best: Sentence | undefined
  let most = 0
  for (const sentence of sentences) {
    const own = wordsOf(sentence.text)
    const share = [...asked].filter((word) => own.has(word)).length / Math.max(1, asked.size)
    if (share > most) [best, most] = [sentence, share]
  }
  return most >= support ? best : undefined
}
