/** The worker in which every model computes. One call runs beside another; each can be aborted. */
import { TesseraeError } from '@tesserae/core'
import type { CallFailure, CallName, Calls, FromWorker, TaskContext, Tasks, ToWorker } from './protocol.js'

/** Each room's code is fetched by its first call. */
const rooms: Readonly<Record<string, () => Promise<Partial<Tasks<Calls>>>>> = {
  device: async () => (await import('./device.js')).deviceTasks,
  tokenizer: async () => (await import('./tokenizer-tasks.js')).tokenizerTasks,
  train: async () => (await import('./train-tasks.js')).trainTasks,
  chat: async () => (await import('./chat-tasks.js')).chatTasks,
  align: async () => (await import('./align-tasks.js')).alignTasks,
  documents: async () => (await import('./documents-tasks.js')).documentsTasks,
}

async function perform(name: CallName, input: unknown, context: TaskContext<unknown>): Promise<unknown> {
  const tasks = await rooms[name.slice(0, name.indexOf('.'))]!()
  const task = tasks[name] as (input: unknown, context: TaskContext<unknown>) => Promise<unknown>
  return task(input, context)
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void
  postMessage(message: FromWorker): void
}
const running = new Map<number, AbortController>()

function failureOf(error: unknown): CallFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const code = TesseraeError.isInstance(error) ? { code: error.code } : {}
  return { name: error.name, message: error.message, ...code }
}

scope.onmessage = ({ data }) => {
  const { id } = data
  if (data.kind === 'abort') return running.get(id)?.abort()
  const controller = new AbortController()
  running.set(id, controller)
  perform(data.name, data.input, { signal: controller.signal, emit: (event) => scope.postMessage({ kind: 'event', id, event }) })
    .then(
      (output) => scope.postMessage({ kind: 'output', id, output }),
      (error: unknown) => scope.postMessage({ kind: 'error', id, error: failureOf(error) }),
    )
    .finally(() => running.delete(id))
}
