/** The owner's side: a model whose work is done elsewhere and told by messages. */
import { AbortedError, throwIfAborted } from '@tesserae/core'
import type { Tool } from '@tesserae/sampling/tools'
import { TransformerError } from '../errors.js'
import { samplingOf } from '../lm/sampling.js'
import { readSchema } from '../lm/schema.js'
import { streamingLm } from '../lm/streaming-lm.js'
import type { Lm, LmInfo, LmOptions, LmPart, LmPrompt } from '../lm/types.js'
import { receivedError, type FromWorker, type ToWorker } from './messages.js'

interface Pending {
  readonly messages: FromWorker[]
  wake: (() => void) | undefined
}

export interface WorkerSide {
  readonly info: LmInfo
  readonly post: (message: ToWorker) => void
  /** Resolves when the worker is no more. */
  readonly end: () => Promise<void>
}

export function workerLm({ info, post, end }: WorkerSide): {
  readonly lm: Lm
  readonly handle: (message: FromWorker) => void
  /** All calls, those under way and those to come, end with this error. */
  readonly die: (error: Error) => void
} {
  const calls = new Map<number, Pending>()
  let count = 0
  let dead: Error | undefined
  let ending: Promise<void> | undefined
  const die = (error: Error): void => {
    dead ??= error
    for (const pending of calls.values()) pending.wake?.()
  }
  const send = (message: ToWorker): void => {
    try {
      post(message)
    } catch (cause) {
      throw new TransformerError(
        'UNSUPPORTED',
        `what was given to a model in a worker cannot be sent there: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      )
    }
  }

  /** Messages of one call, whose end is the caller's to see. */
  async function* talk(ask: (call: number) => ToWorker, signal: AbortSignal | undefined): AsyncGenerator<FromWorker, void, undefined> {
    throwIfAborted(signal, 'Generation')
    if (dead !== undefined) throw dead
    const call = count++
    const pending: Pending = { messages: [], wake: undefined }
    calls.set(call, pending)
    const onAbort = (): void => pending.wake?.()
    signal?.addEventListener('abort', onAbort, { once: true })
    let isOver = false
    try {
      send(ask(call))
      for (;;) {
        if (signal?.aborted === true) throw new AbortedError('Generation was aborted by its signal', { cause: signal.reason })
        const message = pending.messages.shift()
        if (message === undefined) {
          if (dead !== undefined) throw dead
          await new Promise<void>((resolve) => (pending.wake = resolve))
          continue
        }
        isOver = message.type !== 'part'
        if (message.type === 'error') throw receivedError(message.error)
        if (message.type === 'part') post({ type: 'taken', call, parts: 1 })
        yield message
        if (isOver) return
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      calls.delete(call)
      if (!isOver && dead === undefined) post({ type: 'abort', call })
    }
  }

  async function* stream(prompt: LmPrompt, given: LmOptions): AsyncGenerator<LmPart, void, undefined> {
    const { signal, schema: wanted, sampler, tools, ...others } = given
    const schema = wanted === undefined ? undefined : readSchema(wanted)
    const options = {
      ...others,
      ...(sampler === undefined ? {} : { sampler: samplingOf(sampler, 'a model in a worker') }),
      ...(schema === undefined ? {} : { schema: schema.json }),
      ...(tools === undefined ? {} : { tools: tools.map(sendable) }),
    }
    for await (const message of talk((call) => ({ type: 'stream', call, prompt: plain(prompt), options }), signal)) {
      if (message.type !== 'part') return
      const { part } = message
      if (part.type !== 'finish' || schema === undefined || part.result.object === undefined) yield part
      else yield { type: 'finish', result: { ...part.result, object: await schema.validate(part.result.object) } }
    }
  }

  const lm = streamingLm({
    info,
    stream,
    tokenize: async (prompt, options = {}) => {
      const { tools, ...others } = options
      const sent = { ...others, ...(tools === undefined ? {} : { tools: tools.map(sendable) }) }
      for await (const message of talk((call) => ({ type: 'tokenize', call, prompt: plain(prompt), options: sent }), undefined))
        if (message.type === 'ids') return message.ids
      throw new TransformerError('REMOTE', 'the worker gave no ids')
    },
    dispose: () => {
      ending ??= (async () => {
        const wasDead = dead !== undefined
        die(new TransformerError('DISPOSED', 'the model was disposed; keep it until its last generation has ended'))
        if (!wasDead) post({ type: 'dispose' })
        await end()
      })()
      return ending
    },
  })
  const handle = (message: FromWorker): void => {
    if (!('call' in message)) return
    const pending = calls.get(message.call)
    pending?.messages.push(message)
    pending?.wake?.()
  }
  return { lm, handle, die }
}

/** Without functions, such as what `runTools` calls. */
function sendable(tool: Tool): Tool {
  const { name, description, parameters } = 'function' in tool ? tool.function : tool
  return { name, ...(description === undefined ? {} : { description }), ...(parameters === undefined ? {} : { parameters }) }
}

/** Ids of any kind as a list that can be copied. */
const plain = (prompt: LmPrompt): LmPrompt =>
  typeof prompt === 'string' || typeof prompt[0] === 'object' ? prompt : Array.from(prompt as ArrayLike<number>)
