/** Models behind an address. */
import type { Tool } from '@tesserae/sampling/tools'
import { TransformerError } from '../errors.js'
import { streamingLm } from '../lm/streaming-lm.js'
import { readSchema, type AnswerSchema } from '../lm/schema.js'
import type { Lm, LmMessage, LmOptions, LmPart, LmPrompt, LmUsage } from '../lm/types.js'
import { AnswerBuilder } from './answer-builder.js'
import { send, type RetryOptions } from './request.js'
import { DIALECTS, schemaBody, sharedBody, type RemoteServer } from './servers.js'
import { eventData } from './sse.js'
import { chatLogprobs, chunkOf, completionLogprobs, finishReasonOf, list, record, text, usageOf, wireMessage, type Json } from './wire.js'

export interface RemoteModelOptions extends RetryOptions {
  /** Up to the version, as OpenAI's clients have it: `http://localhost:8000/v1`. */
  readonly url: string
  /** Default the only one that the server has. */
  readonly model?: string
  readonly apiKey?: string
  /** What kind of server it is, for what OpenAI's interface has no field for; default 'openai', which every server understands. */
  readonly server?: RemoteServer
  /** Tokens of a prompt and its answer together, where the server does not say; default unlimited here: the server refuses what is too long. */
  readonly context?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Further fields of each request. */
  readonly body?: Readonly<Record<string, unknown>>
  /** Ends the question which models there are. */
  readonly signal?: AbortSignal
}

/**
 * A model behind OpenAI's interface, of vLLM, llama.cpp's server, TGI, Ollama, `serve` or another, as a model like one that is loaded here. Asks the server which models it has, so that
 * what cannot be reached fails at once.
 *
 * Ids of tokens are not told by servers: parts and results have none, log-probabilities have −1 where the server is not llama.cpp's. `tokenize` works for texts with vLLM, llama.cpp and TGI. A sampler is given as settings.
 *
 * Errors, here and of calls: OPTION for what the server refuses and for a model it does not have; CAPACITY; BUSY after its 429; TIMEOUT; REMOTE where it cannot be reached or answers
 * with what is no answer; UNSUPPORTED; AbortError.
 *
 * @example
 * const lm = await remoteModel({ url: 'http://localhost:11434/v1', model: 'qwen3:0.6b', server: 'ollama' })
 * const { text } = await lm.generate([{ role: 'user', content: 'Name a sea.' }])
 */
export async function remoteModel(options: RemoteModelOptions): Promise<Lm> {
  const base = checkedUrl(options.url)
  const { server = 'openai' } = options
  if (!Object.hasOwn(DIALECTS, server))
    throw new TransformerError('OPTION', `server must be one of ${Object.keys(DIALECTS).join(', ')}, got ${String(server)}`)
  const where = `the server at ${new URL(base).host}`
  const headers = {
    ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
    ...options.headers,
  }
  const remote: Remote = { base, where, headers, server, options }
  const { model, context } = await chosenModel(remote)
  let gone = false
  return streamingLm({
    info: {
      id: model,
      architecture: 'remote',
      context: options.context ?? context ?? Infinity,
      parameters: undefined,
      licence: undefined,
      hasChatTemplate: true,
    },
    stream: (prompt, call) => {
      if (gone) throw new TransformerError('DISPOSED', 'the remote model was disposed')
      return stream(remote, model, prompt, call)
    },
    tokenize: (prompt) => tokenize(remote, model, prompt),
    dispose: async () => void (gone = true),
  })
}

interface Remote {
  readonly base: string
  readonly where: string
  readonly headers: Readonly<Record<string, string>>
  readonly server: RemoteServer
  readonly options: RemoteModelOptions
}

function checkedUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TransformerError('OPTION', `url must be an address such as http://localhost:8000/v1, got ${JSON.stringify(given)}`)
  if (url.username !== '' || url.search !== '' || url.hash !== '')
    throw new TransformerError('OPTION', 'url must have no user, query or fragment; a key goes into apiKey')
  return url.href.replace(/\/+$/, '')
}

/** The model that is meant and its context, by the server's list where it has one. */
async function chosenModel(remote: Remote): Promise<{ readonly model: string; readonly context: number | undefined }> {
  const { base, where, headers, options } = remote
  let listed: readonly Json[]
  try {
    const sent = await send(`${base}/models`, { headers }, where, options, options.signal)
    try {
      const answer: unknown = await sent.response.json()
      listed = list(record(answer)?.['data']).map((one) => record(one) ?? {})
    } catch (error) {
      throw sent.errorOf(error)
    } finally {
      sent.end()
    }
  } catch (error) {
    // Some have no list.
    if (options.model === undefined || !TransformerError.isInstance(error) || error.code !== 'OPTION') throw error
    return { model: options.model, context: undefined }
  }
  const names = listed.flatMap(({ id }) => text(id) ?? [])
  const model = options.model ?? (names.length === 1 ? names[0]! : undefined)
  const said = names.slice(0, 20).join(', ')
  if (model === undefined)
    throw new TransformerError('OPTION', `say which model of ${where} is meant: it has ${said === '' ? 'none' : said}`)
  // A list may leave out what a server would load when asked (Ollama's tags, routers): only a list of one kind of names is to be trusted.
  if (names.length > 0 && !names.includes(model) && options.server !== 'ollama')
    throw new TransformerError('OPTION', `${where} has no model ${JSON.stringify(model)}; it has ${said}`)
  const { max_model_len: context, meta } = listed.find(({ id }) => id === model) ?? {}
  const length = context ?? record(meta)?.['n_ctx']
  return { model, context: typeof length === 'number' ? length : undefined }
}

async function* stream(remote: Remote, model: string, prompt: LmPrompt, call: LmOptions): AsyncGenerator<LmPart, void, undefined> {
  const { base, where, headers, server, options } = remote
  const schema = call.schema === undefined ? undefined : readSchema(call.schema)
  const isChat = typeof prompt !== 'string' && typeof prompt[0] === 'object'
  const body = {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(isChat ? chatBody : textBody)(prompt, call, schema, server),
    ...options.body,
  }
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify(body),
  }
  const sent = await send(`${base}${isChat ? '/chat/completions' : '/completions'}`, init, where, options, call.signal)
  const builder = new AnswerBuilder(where, schema, call.logprobs !== undefined && call.logprobs !== false)
  let reason: string | undefined
  let usage: LmUsage = usageOf(undefined)
  try {
    for await (const data of eventData(bodyOf(sent.response, where))) {
      sent.alive()
      if (data === '[DONE]') break
      const chunk = chunkOf(data, where)
      if (record(chunk['usage']) !== undefined) usage = usageOf(chunk['usage'])
      const choice = record(list(chunk['choices'])[0])
      if (choice === undefined) continue
      reason = text(choice['finish_reason']) ?? reason
      for (const part of isChat ? chatParts(builder, choice) : textParts(builder, choice)) yield part
    }
    if (reason === undefined) throw new TransformerError('REMOTE', `${where} ended its answer without saying why`)
  } catch (error) {
    throw sent.errorOf(error)
  } finally {
    sent.end()
  }
  yield* builder.end(finishReasonOf(reason), usage)
}

function bodyOf({ body, headers }: Response, where: string): ReadableStream<Uint8Array> {
  const type = headers.get('content-type') ?? ''
  if (body === null || !type.startsWith('text/event-stream'))
    throw new TransformerError(
      'REMOTE',
      `${where} was asked for a stream of events and answered with ${type === '' ? 'something else' : type}; is the url that of an OpenAI-compatible interface, up to /v1?`,
    )
  return body
}

function chatParts(builder: AnswerBuilder, choice: Json): LmPart[] {
  const delta = record(choice['delta']) ?? {}
  const reasoning = text(delta['reasoning_content']) ?? text(delta['reasoning']) ?? ''
  return [
    ...builder.add('reasoning', reasoning),
    ...builder.add('text', text(delta['content']) ?? '', chatLogprobs(choice['logprobs'])),
    ...list(delta['tool_calls']).flatMap((given, i) => {
      const part = record(given) ?? {}
      const called = record(part['function']) ?? {}
      const id = text(part['id'])
      return builder.addCall(String(part['index'] ?? i), id === '' ? undefined : id, text(called['name']), text(called['arguments']) ?? '')
    }),
  ]
}

const textParts = (builder: AnswerBuilder, choice: Json): LmPart[] =>
  builder.add('text', text(choice['text']) ?? '', completionLogprobs(choice['logprobs']))

type BodyOf = (prompt: LmPrompt, call: LmOptions, schema: AnswerSchema | undefined, server: RemoteServer) => object

const chatBody: BodyOf = (prompt, call, schema, server) => ({
  messages: (prompt as readonly LmMessage[]).map(wireMessage),
  ...sharedBody(call, server),
  ...schemaBody(schema, true, server),
  ...toolsBody(call, server),
  ...logprobsBody(call),
})

const logprobsBody = ({ logprobs = false }: LmOptions): object =>
  logprobs === false ? {} : { logprobs: true, ...(logprobs === true || logprobs === 0 ? {} : { top_logprobs: logprobs }) }

function toolsBody({ tools = [], toolChoice, parallelToolCalls }: LmOptions, server: RemoteServer): object {
  if (tools.length === 0) return {}
  const named = typeof toolChoice === 'object' ? toolChoice.name : undefined
  const isOnly = named !== undefined && !DIALECTS[server].namesTools
  const choice = named === undefined ? toolChoice : isOnly ? 'required' : { type: 'function', function: { name: named } }
  const parallel = parallelToolCalls ?? (isOnly ? false : undefined)
  return {
    tools: tools.map(wireTool).filter(({ function: { name } }) => !isOnly || name === named),
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...(parallel === undefined ? {} : { parallel_tool_calls: parallel }),
  }
}

const textBody: BodyOf = (prompt, call, schema, server) => {
  if ((call.tools ?? []).length > 0)
    throw new TransformerError('UNSUPPORTED', 'tools of a remote model go with a conversation; give messages in place of a text')
  const { logprobs = false } = call
  return {
    prompt: typeof prompt === 'string' ? prompt : Array.from(prompt as ArrayLike<number>),
    ...sharedBody(call, server),
    ...schemaBody(schema, false, server),
    ...(logprobs === false ? {} : { logprobs: Number(logprobs === true ? 0 : logprobs) }),
  }
}

interface WireTool {
  readonly type: 'function'
  readonly function: { readonly name: string; readonly description?: string; readonly parameters: unknown }
}

function wireTool(tool: Tool): WireTool {
  const { name, description, parameters } = 'function' in tool ? tool.function : tool
  return {
    type: 'function',
    function: { name, ...(description === undefined ? {} : { description }), parameters: parameters ?? { type: 'object', properties: {} } },
  }
}

async function tokenize({ base, where, headers, server, options }: Remote, model: string, prompt: LmPrompt): Promise<Uint32Array> {
  const way = DIALECTS[server].tokenize
  if (way === undefined || typeof prompt !== 'string')
    throw new TransformerError(
      'UNSUPPORTED',
      `a remote model of kind '${server}' does not tell the ids of ${typeof prompt === 'string' ? 'a text' : 'a conversation'}; vllm, llama.cpp and tgi tell those of a text`,
    )
  const url = `${base.replace(/\/v1$/, '')}${way.path}`
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(way.body(prompt, model)),
  }
  const sent = await send(url, init, where, options, undefined)
  try {
    const ids = way.read(await sent.response.json())
    if (!Array.isArray(ids) || !ids.every((id) => Number.isInteger(id) && id >= 0))
      throw new TransformerError('REMOTE', `${where} answered ${way.path} with what are no ids`)
    return Uint32Array.from(ids as number[])
  } catch (error) {
    throw sent.errorOf(error)
  } finally {
    sent.end()
  }
}
