/** What chats and completions have in common, and completions. */
import { hashString } from '@tesserae/core'
import type { LmSampling } from '../lm/sampling.js'
import type { LmOptions, LmPrompt } from '../lm/types.js'
import { counted } from '../errors.js'
import { wrong } from './api-error.js'
import { described, Fields, missing } from './fields.js'

/** Answers that a client asks for. */
export interface GenerationRequest {
  readonly model: string
  readonly prompts: readonly LmPrompt[]
  /** Answers to each prompt. */
  readonly n: number
  /** Of every answer, but for its seed. */
  readonly options: Omit<LmOptions, 'signal' | 'sampler'>
  readonly sampling: LmSampling
  /** Fixes all answers; undefined for new ones each time. */
  readonly seed: number | undefined
  readonly stream: boolean
  /** A last chunk of a stream tells of tokens. */
  readonly includeUsage: boolean
  /** The prompt is told before the answer. */
  readonly echo: boolean
}

/** What a server allows. */
export interface RequestLimits {
  /** Answers of one request. */
  readonly choices: number
  /** Tokens of one answer; undefined for as many as there is room for. */
  readonly maxTokens: number | undefined
}

/** Read by every request for text, or taken note of and left: they change nothing here. */
const SHARED = [
  ...['model', 'n', 'seed', 'stop', 'stream', 'stream_options', 'temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty'],
  ...['frequency_penalty', 'presence_penalty', 'logit_bias', 'stop_token_ids', 'max_tokens', 'logprobs'],
  ...['user', 'metadata', 'store', 'service_tier', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'cache_prompt'],
]

const COMPLETION = new Set([...SHARED, 'prompt', 'echo', 'best_of', 'suffix'])

type Shared = Pick<GenerationRequest, 'model' | 'n' | 'sampling' | 'seed' | 'stream' | 'includeUsage'> & {
  readonly options: { readonly maxTokens?: number; readonly stop?: readonly (string | number)[] }
}

export function sharedFields(fields: Fields, known: readonly string[], limits: RequestLimits): Shared {
  fields.refuseOthers(new Set([...SHARED, ...known]))
  return readShared(fields, limits)
}

function readShared(fields: Fields, limits: RequestLimits): Shared {
  const model = fields.needText('model')
  const stream = fields.boolean('stream') ?? false
  const streamOptions = fields.fields('stream_options')
  if (streamOptions !== undefined && !stream) throw wrong('stream_options', 'goes with stream: true alone')
  const tokens = { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true }
  const maxTokens = fields.number('max_completion_tokens', tokens) ?? fields.number('max_tokens', tokens) ?? limits.maxTokens
  if (maxTokens !== undefined && limits.maxTokens !== undefined && maxTokens > limits.maxTokens)
    throw wrong('max_tokens', `this server gives at most ${counted(limits.maxTokens, 'token')}, got ${maxTokens}`)
  const stop = stopOf(fields)
  return {
    model,
    n: fields.number('n', { min: 1, max: limits.choices, integer: true }) ?? 1,
    seed: fields.number('seed', { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, integer: true }),
    stream,
    includeUsage: streamOptions?.boolean('include_usage') ?? false,
    sampling: samplingOf(fields),
    options: { ...(maxTokens === undefined ? {} : { maxTokens }), ...(stop.length === 0 ? {} : { stop }) },
  }
}

function samplingOf(fields: Fields): LmSampling {
  const settings = {
    temperature: fields.number('temperature', { min: 0, max: 2 }),
    topP: fields.number('top_p', { min: 0, max: 1 }),
    topK: topKOf(fields),
    minP: fields.number('min_p', { min: 0, max: 1 }),
    repetitionPenalty: fields.number('repetition_penalty', { min: 0.01, max: 100 }),
    frequencyPenalty: fields.number('frequency_penalty', { min: -2, max: 2 }),
    presencePenalty: fields.number('presence_penalty', { min: -2, max: 2 }),
    logitBias: biasOf(fields),
  }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

/** −1 is vLLM's way to keep all tokens, 0 ours. */
function topKOf(fields: Fields): number | undefined {
  const k = fields.number('top_k', { min: -1, max: 1 << 24, integer: true })
  return k === -1 ? 0 : k
}

function biasOf(fields: Fields): Record<number, number> | undefined {
  const given = fields.fields('logit_bias')
  if (given === undefined) return undefined
  const names = Object.keys(given.values)
  if (names.length > 1024) throw wrong('logit_bias', `must have at most 1024 tokens, got ${names.length}`)
  return Object.fromEntries(
    names.map((name) => {
      if (!/^\d{1,8}$/.test(name)) throw wrong('logit_bias', `names are ids of tokens, got ${described(name)}`)
      return [Number(name), given.number(name, { min: -100, max: 100 }) ?? 0]
    }),
  )
}

function stopOf(fields: Fields): (string | number)[] {
  const one = fields.get('stop')
  const texts = typeof one === 'string' ? [one] : (fields.list('stop', { max: 16 }) ?? [])
  const stops = texts.map((text, i) => {
    if (typeof text !== 'string' || text === '')
      throw wrong(`stop[${i}]`, `must be a string that is not empty, got ${described(text)}`, 'invalid_type')
    return text
  })
  const ids = (fields.list('stop_token_ids', { max: 64 }) ?? []).map((id, i) => tokenOf(id, `stop_token_ids[${i}]`))
  return [...stops, ...ids]
}

function tokenOf(value: unknown, path: string): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0xffffffff)
    throw wrong(path, `must be the id of a token, got ${described(value)}`, 'invalid_type')
  return value as number
}

/** POST /v1/completions. */
export function readCompletionRequest(body: Readonly<Record<string, unknown>>, limits: RequestLimits): GenerationRequest {
  const fields = new Fields(body)
  fields.refuseOthers(COMPLETION)
  const shared = readShared(fields, limits)
  const prompts = promptsOf(fields)
  if (prompts.length * shared.n > limits.choices)
    throw wrong(
      'prompt',
      `${prompts.length} prompts with n ${shared.n} are more than the ${limits.choices} answers that one request may ask for`,
    )
  if (fields.get('suffix') !== undefined) throw wrong('suffix', 'is not supported', 'unsupported_parameter')
  const best = fields.number('best_of', { min: 1, integer: true })
  if (best !== undefined && best !== shared.n) throw wrong('best_of', 'is not supported other than equal to n', 'unsupported_parameter')
  const logprobs = fields.number('logprobs', { min: 0, max: 20, integer: true })
  const echo = fields.boolean('echo') ?? false
  if (echo && logprobs !== undefined) throw wrong('echo', 'is not supported together with logprobs', 'unsupported_parameter')
  if (echo && prompts.some((prompt) => typeof prompt !== 'string'))
    throw wrong('echo', 'is not supported for prompts of tokens', 'unsupported_parameter')
  return {
    ...shared,
    prompts,
    // What OpenAI gives where it is told nothing.
    options: {
      maxTokens: Math.min(16, limits.maxTokens ?? 16),
      ...shared.options,
      ...(logprobs === undefined ? {} : { logprobs: logprobs === 0 ? true : logprobs }),
    },
    echo,
  }
}

/** A text, ids, or a list of either. */
function promptsOf(fields: Fields): (string | number[])[] {
  const given = fields.get('prompt')
  if (given === undefined) throw missing('prompt')
  if (typeof given === 'string') return [given]
  const list = fields.list('prompt', { min: 1 })!
  if (typeof list[0] === 'number') return [list.map((id, i) => tokenOf(id, `prompt[${i}]`))]
  return list.map((one, i) => {
    if (typeof one === 'string') return one
    if (!Array.isArray(one) || one.length === 0)
      throw wrong(`prompt[${i}]`, `must be a string or a list of token ids, got ${described(one)}`, 'invalid_type')
    return one.map((id: unknown, j) => tokenOf(id, `prompt[${i}][${j}]`))
  })
}

/** The options of one answer. The first of a seed has that seed itself. */
export function optionsOf(request: GenerationRequest, index: number): LmOptions {
  const { seed = Math.floor(Math.random() * 2 ** 31), sampling, options } = request
  return { ...options, sampler: { ...sampling, seed: index === 0 ? seed : hashString(`${seed}/${index}`)[0] >>> 1 } }
}
