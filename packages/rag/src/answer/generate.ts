import {
  AbortedError,
  finishReasonOf,
  throwIfAborted,
  TesseraeError,
  tokenCountsOf,
  type LanguageModelCall,
  type LanguageModelLike,
  type ModelJson,
  type ModelMessage,
  type ModelStreamPart,
  type ModelToolCallPart,
  type ModelToolResultPart,
} from '@tesserae/core'
import { RagError } from '../errors.js'
import type { AnswerUsage, AnswerWarning } from './types.js'

/** A function the model may call while it answers. */
export interface AnswerTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: object
  run(input: ModelJson): Promise<string>
}

/** What a run of the model brings: text as it comes, calls of tools, and how it ended. */
export type GeneratedPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool'; readonly name: string; readonly input: ModelJson }
  | { readonly type: 'end'; readonly finishReason: string; readonly usage: AnswerUsage; readonly warnings: readonly AnswerWarning[] }

/** What goes into every call beside prompt and tools. */
export type CallSettings = Omit<LanguageModelCall, 'prompt' | 'tools' | 'toolChoice' | 'abortSignal'>

interface GenerateOptions {
  readonly prompt: readonly ModelMessage[]
  readonly settings: CallSettings
  readonly tools: readonly AnswerTool[]
  /** Most calls of the model; the last one may not call tools. */
  readonly maxSteps: number
  readonly signal: AbortSignal | undefined
}

/**
 * Streams a model's reply; where it calls tools, runs them and asks again with what they returned. Texts of several steps are
 * set apart by a blank line.
 *
 * Errors: MODEL for whatever the model throws or reports in its stream, AbortError when `signal` is aborted.
 */
export async function* generate(model: LanguageModelLike, options: GenerateOptions): AsyncGenerator<GeneratedPart> {
  const { settings, tools, maxSteps, signal } = options
  const prompt = [...options.prompt]
  const warnings: AnswerWarning[] = []
  let usage: AnswerUsage = { inputTokens: undefined, outputTokens: undefined }
  let said = false
  for (let step = 1; ; step++) {
    const call: LanguageModelCall = { ...settings, prompt, ...(signal === undefined ? {} : { abortSignal: signal }) }
    if (tools.length > 0) {
      call.tools = tools.map(({ name, description, inputSchema }) => ({ type: 'function', name, description, inputSchema }))
      call.toolChoice = { type: step < maxSteps ? 'auto' : 'none' }
    }
    let text = ''
    const calls: ModelToolCallPart[] = []
    let finishReason: string | undefined
    for await (const part of partsOf(model, call, signal)) {
      if (part.type === 'text-delta' && typeof part.delta === 'string' && part.delta !== '') {
        yield { type: 'text', text: text === '' && said ? `\n\n${part.delta}` : part.delta }
        text += part.delta
      } else if (part.type === 'tool-call') {
        const input = parseInput(part.input, model)
        calls.push({
          type: 'tool-call',
          toolCallId: part.toolCallId ?? `call-${step}-${calls.length}`,
          toolName: part.toolName ?? '',
          input,
        })
      } else if (part.type === 'stream-start') {
        warnings.push(...warningsOf(part))
      } else if (part.type === 'error') {
        throw modelError(model, part.error)
      } else if (part.type === 'finish') {
        if (part.finishReason !== undefined) finishReason = finishReasonOf(part.finishReason)
        if (part.usage !== undefined) usage = addUsage(usage, tokenCountsOf(part.usage))
      }
    }
    said ||= text !== ''
    const known = calls.filter(({ toolName }) => tools.some(({ name }) => name === toolName))
    if (known.length === 0 || step >= maxSteps) {
      yield { type: 'end', finishReason: finishReason ?? 'other', usage, warnings }
      return
    }
    prompt.push({ role: 'assistant', content: [...(text === '' ? [] : [{ type: 'text' as const, text }]), ...calls] })
    const results: ModelToolResultPart[] = []
    for (const { toolCallId, toolName, input } of calls) {
      const tool = tools.find(({ name }) => name === toolName)
      yield { type: 'tool', name: toolName, input: input as ModelJson }
      results.push({ type: 'tool-result', toolCallId, toolName, output: await runTool(tool, toolName, input as ModelJson) })
    }
    prompt.push({ role: 'tool', content: results })
    throwIfAborted(signal, 'Answering')
  }
}

/** The parts of one call; the stream is given up when the reader leaves. */
async function* partsOf(
  model: LanguageModelLike,
  call: LanguageModelCall,
  signal: AbortSignal | undefined,
): AsyncGenerator<ModelStreamPart> {
  throwIfAborted(signal, 'Answering')
  let reader: ReadableStreamDefaultReader<ModelStreamPart> | undefined
  let done = false
  try {
    reader = (await untilAborted(model.doStream(call), signal)).stream.getReader()
    for (;;) {
      const next = await untilAborted(reader.read(), signal)
      if (next.done) break
      yield next.value
    }
    done = true
  } catch (error) {
    if (signal?.aborted) throw new AbortedError('Answering was aborted by its signal', { cause: signal.reason })
    throw TesseraeError.isInstance(error) ? error : modelError(model, error)
  } finally {
    // Not awaited: a model that ignores its signal may never answer.
    if (!done) reader?.cancel().catch(() => {})
  }
}

/** Rejects as soon as the signal is aborted, whether or not the model listens to it. */
function untilAborted<T>(work: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(work)
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new AbortedError('Answering was aborted by its signal', { cause: signal.reason }))
    signal.addEventListener('abort', stop, { once: true })
    Promise.resolve(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', stop))
  })
}

async function runTool(tool: AnswerTool | undefined, name: string, input: ModelJson): Promise<ModelToolResultPart['output']> {
  if (tool === undefined) return { type: 'error-text', value: `There is no tool called ${name}` }
  try {
    return { type: 'text', value: await tool.run(input) }
  } catch (error) {
    // What the model gave wrong it can mend; everything else is the caller's to know.
    if (TesseraeError.isInstance(error) && error.code === 'OPTION') return { type: 'error-text', value: error.message }
    throw error
  }
}

function parseInput(input: string | undefined, model: LanguageModelLike): ModelJson {
  if (input === undefined || input.trim() === '') return {}
  try {
    return JSON.parse(input) as ModelJson
  } catch (error) {
    throw new RagError('MODEL', `${nameOf(model)} called a tool with arguments that are not JSON: ${input.slice(0, 200)}`, { cause: error })
  }
}

/** Warnings as the versions of the specification write them: `{ type, setting | feature, details, message }`. */
function warningsOf(part: ModelStreamPart): AnswerWarning[] {
  const { warnings } = part as { readonly warnings?: unknown }
  if (!Array.isArray(warnings)) return []
  return (warnings as unknown[]).map((warning) => {
    const fields = (typeof warning === 'object' && warning !== null ? warning : {}) as Record<string, unknown>
    const setting = [fields['setting'], fields['feature']].find((value) => typeof value === 'string') as string | undefined
    const words = [fields['message'], fields['details']].find((value) => typeof value === 'string') as string | undefined
    const unsupported = typeof fields['type'] === 'string' && fields['type'].startsWith('unsupported')
    return {
      type: unsupported ? 'unsupported' : 'provider',
      ...(setting === undefined ? {} : { setting }),
      message: words ?? (setting === undefined ? JSON.stringify(warning) : `The model does not support ${setting}`),
    }
  })
}

function addUsage(a: AnswerUsage, b: { readonly input: number | undefined; readonly output: number | undefined }): AnswerUsage {
  const add = (x: number | undefined, y: number | undefined) => (x === undefined ? y : y === undefined ? x : x + y)
  return { inputTokens: add(a.inputTokens, b.input), outputTokens: add(a.outputTokens, b.output) }
}

const nameOf = ({ provider, modelId }: LanguageModelLike): string => `${provider}/${modelId}`

function modelError(model: LanguageModelLike, error: unknown): RagError {
  const message = error instanceof Error ? error.message : typeof error === 'string' ? error : JSON.stringify(error)
  return new RagError('MODEL', `The model ${nameOf(model)} failed: ${message}`, { cause: error })
}
