import { throwIfAborted, type LanguageModelLike, type ModelJson } from '@tesserae/core'
import { estimateTokenCount } from '../chunk/tokens.js'
import { RagError } from '../errors.js'
import { CitationReader } from './citations.js'
import { extract } from './extractive.js'
import { generate, type AnswerTool, type CallSettings, type GeneratedPart } from './generate.js'
import { fitBudget, instructionsFor, promptFor, renderSources } from './prompt.js'
import { answerOf } from './run.js'
import { parseReply, readObject } from './schema.js'
import type {
  Answer,
  AnswerBackend,
  AnswerOptions,
  AnswerPart,
  AnswerResult,
  AnswerWarning,
  Citation,
  HistoryMessage,
  Passage,
} from './types.js'

const defaultNotFound = 'Not found in the documents.'

/**
 * Answers a question from what `backend` finds. With a model, it gets numbered sources and cites them, and each citation is
 * checked against the source's text while the answer arrives; without one, the answer is the sentences of the sources that fit
 * the question best, word by word, or that there are none.
 *
 * Errors (from `stream()` and `result()`): OPTION for an option out of its range, MODEL when the model fails, AbortError, and those of the search.
 */
export function answerQuestion(question: string, options: AnswerOptions, backend: AnswerBackend): Answer {
  const checked = check(question, options)
  return answerOf((left) => {
    const signal = options.signal === undefined ? left : AbortSignal.any([options.signal, left])
    return checked.model === undefined ? extractive(checked, backend, signal) : byModel(checked, checked.model, backend, signal)
  })
}

interface Checked extends AnswerOptions {
  readonly question: string
  readonly k: number
  readonly retrieval: 'before' | 'tool' | 'none'
  readonly notFound: string
  readonly history: readonly HistoryMessage[]
  readonly sentences: number
  readonly threshold: number
  readonly maxSteps: number
  readonly tokenBudget: number
}

function check(question: string, options: AnswerOptions): Checked {
  const { k = 8, sentences = 2, threshold = 0.5, tokenBudget = 3000, maxSteps = 4, retrieval = 'before', history = [] } = options
  if (typeof question !== 'string' || question.trim() === '')
    throw new RagError('OPTION', `The question must be a string that is not empty, got ${JSON.stringify(question)}`)
  const whole = { k, sentences, maxSteps }
  for (const [name, value] of Object.entries(whole))
    if (!Number.isInteger(value) || value < 1) throw new RagError('OPTION', `${name} must be an integer of at least 1, got ${value}`)
  if (!(threshold >= 0 && threshold <= 1)) throw new RagError('OPTION', `threshold must lie between 0 and 1, got ${threshold}`)
  if (!(tokenBudget > 0)) throw new RagError('OPTION', `tokenBudget must be above 0 tokens, got ${tokenBudget}`)
  if (!['before', 'tool', 'none'].includes(retrieval))
    throw new RagError('OPTION', `retrieval must be 'before', 'tool' or 'none', got ${JSON.stringify(retrieval)}`)
  const notFound = options.notFound ?? defaultNotFound
  return { ...options, question, history, k, sentences, threshold, tokenBudget, maxSteps, retrieval, notFound }
}

/** A follow-up often leaves out what it is about, so the question before it is searched for too. */
function searchQuery({ question, query, history }: Checked): string {
  const before = history.findLast(({ role }) => role === 'user')?.content
  return query ?? (before === undefined ? question : `${before}\n${question}`)
}

async function retrieve(query: string, { k, where }: Checked, backend: AnswerBackend, signal: AbortSignal): Promise<readonly Passage[]> {
  throwIfAborted(signal, 'Answering')
  return await backend.search(query, { k, signal, ...(where === undefined ? {} : { where }) })
}

async function* extractive(options: Checked, backend: AnswerBackend, signal: AbortSignal): AsyncGenerator<AnswerPart> {
  const warnings: AnswerWarning[] = []
  for (const setting of ['schema', 'instructions', 'temperature', 'topP', 'seed', 'maxOutputTokens', 'providerOptions'] as const) {
    if (options[setting] === undefined) continue
    warnings.push({ type: 'unsupported', setting, message: `${setting} concerns a model, and there is none: the answer is extractive` })
  }
  if (options.retrieval !== 'before')
    warnings.push({
      type: 'unsupported',
      setting: 'retrieval',
      message: `An extractive answer needs passages: they are retrieved before it, not '${options.retrieval}'`,
    })
  const query = searchQuery(options)
  const passages = await retrieve(query, options, backend, signal)
  yield { type: 'retrieval', query, passages, omitted: 0 }
  const { citations, confidence } = await extract(query, passages, { backend, sentences: options.sentences, signal })
  const abstained = citations.length === 0 || confidence < options.threshold
  let text = ''
  if (abstained) {
    text = options.notFound
    yield { type: 'text', text }
  } else {
    for (const citation of citations) {
      const piece = `${text === '' ? '' : ' '}${citation.quote.replace(/\s+/g, ' ')} [${citation.marker}]`
      text += piece
      yield { type: 'text', text: piece }
      yield { type: 'citation', citation }
    }
  }
  yield {
    type: 'finish',
    result: {
      text,
      citations: abstained ? [] : citations,
      abstained,
      passages,
      confidence,
      method: 'extractive',
      finishReason: 'stop',
      usage: { inputTokens: undefined, outputTokens: undefined },
      warnings,
    },
  }
}

async function* byModel(
  options: Checked,
  model: LanguageModelLike,
  backend: AnswerBackend,
  signal: AbortSignal,
): AsyncGenerator<AnswerPart> {
  const { question, retrieval, schema, notFound, countTokens = estimateTokenCount } = options
  const warnings: AnswerWarning[] = []
  const query = searchQuery(options)
  const found = retrieval === 'before' ? await retrieve(query, options, backend, signal) : []
  const { history, omitted, ...fitted } = fitBudget(found, options.history, { budget: options.tokenBudget, countTokens })
  const passages: Passage[] = [...fitted.passages]
  if (omitted > 0 && passages.length === 0)
    warnings.push({
      type: 'other',
      setting: 'tokenBudget',
      message: `tokenBudget of ${options.tokenBudget} holds none of the ${omitted} passages found`,
    })
  if (history.length < options.history.length)
    warnings.push({
      type: 'other',
      setting: 'tokenBudget',
      message: `${options.history.length - history.length} of ${options.history.length} earlier turns were left out: the token budget is ${options.tokenBudget}`,
    })
  if (retrieval === 'before') yield { type: 'retrieval', query, passages: [...passages], omitted }

  const terms = (text: string): readonly string[] => backend.terms(text)
  const reader = new CitationReader(() => passages, { terms })
  const searches: AnswerPart[] = [] // what the tool found, to be passed on in its place
  const parts = generate(model, {
    prompt: promptFor(question, {
      instructions: options.instructions ?? instructionsFor({ retrieval, ...(schema === undefined ? {} : { schema }) }, notFound),
      history,
      ...(retrieval === 'before' ? { passages } : {}),
    }),
    settings: settingsOf(options),
    tools: retrieval === 'tool' ? [searchTool(options, backend, signal, { passages, searches })] : [],
    maxSteps: retrieval === 'tool' ? options.maxSteps : 1,
    signal,
  })
  const citations: Citation[] = []
  const passOn = function* (read: Iterable<AnswerPart>): Generator<AnswerPart> {
    for (const part of read) {
      if (part.type === 'citation') citations.push(part.citation)
      yield part
    }
  }
  let end: Extract<GeneratedPart, { type: 'end' }> | undefined
  let reply = ''
  for await (const part of parts) {
    yield* searches.splice(0)
    if (part.type === 'end') end = part
    else if (part.type === 'tool') yield part
    else if (schema === undefined) yield* passOn(reader.push(part.text))
    else reply += part.text
  }
  if (schema === undefined) yield* passOn(reader.end())

  let text = reader.text
  let abstained = isAbstention(text, notFound)
  let object: ModelJson | undefined
  if (schema !== undefined) {
    object = parseReply(reply)
    if (object === undefined)
      throw new RagError(
        'MODEL',
        `The model ${model.provider}/${model.modelId} did not reply with the JSON that schema asks for, but with: ${reply.slice(0, 200) || '(nothing)'}`,
      )
    const read = readObject(object, passages, { terms })
    abstained = read.abstained
    text = abstained ? notFound : read.text
    yield { type: 'object', object }
    if (text !== '') yield { type: 'text', text }
    yield* passOn(read.citations.map((citation) => ({ type: 'citation', citation })))
  }
  const result: AnswerResult = {
    text,
    citations,
    abstained,
    passages,
    ...(object === undefined ? {} : { object }),
    method: 'model',
    finishReason: end?.finishReason ?? 'other',
    usage: end?.usage ?? { inputTokens: undefined, outputTokens: undefined },
    warnings: [...warnings, ...(end?.warnings ?? [])],
  }
  yield { type: 'finish', result }
}

function settingsOf({ temperature, topP, seed, maxOutputTokens, providerOptions, schema }: Checked): CallSettings {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(providerOptions === undefined ? {} : { providerOptions }),
    ...(schema === undefined ? {} : { responseFormat: { type: 'json', schema, name: 'answer' } }),
  }
}

/** The model's way into the index: each search adds its passages to the numbered sources. */
function searchTool(
  options: Checked,
  backend: AnswerBackend,
  signal: AbortSignal,
  { passages, searches }: { readonly passages: Passage[]; readonly searches: AnswerPart[] },
): AnswerTool {
  const countTokens = options.countTokens ?? estimateTokenCount
  let left = options.tokenBudget
  return {
    name: 'search',
    description: 'Searches the documents. Returns numbered sources; cite them by these numbers.',
    inputSchema: {
      type: 'object',
      properties: { query: { type: 'string', description: 'What to look for, in the words that the documents may use' } },
      required: ['query'],
      additionalProperties: false,
    },
    async run(input) {
      const query = typeof input === 'object' && input !== null && !Array.isArray(input) ? input['query'] : undefined
      if (typeof query !== 'string' || query.trim() === '') throw new RagError('OPTION', 'search needs a query: a string that is not empty')
      const hits = await retrieve(query, options, backend, signal)
      const known = new Set(passages.map(({ chunkId }) => chunkId))
      const { passages: fresh, omitted } = fitBudget(
        hits.filter(({ chunkId }) => !known.has(chunkId)),
        [],
        { budget: left, countTokens },
      )
      const first = passages.length + 1
      passages.push(...fresh)
      searches.push({ type: 'retrieval', query, passages: fresh, omitted })
      const again = hits.flatMap(({ chunkId }) =>
        known.has(chunkId) ? [`[${passages.findIndex((one) => one.chunkId === chunkId) + 1}]`] : [],
      )
      const rendered = renderSources(fresh, first)
      left -= fresh.length === 0 ? 0 : countTokens(rendered)
      const before = again.length === 0 ? '' : `Also found again: ${again.join(' ')}`
      return [rendered, before].filter((text) => text !== '').join('\n\n') || 'Nothing found.'
    },
  }
}

/** Whether a reply is the sentence that the instructions ask for, give or take its punctuation and case. */
function isAbstention(text: string, notFound: string): boolean {
  const plain = (value: string): string =>
    value
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()
  return plain(text) === plain(notFound) || plain(text) === ''
}
