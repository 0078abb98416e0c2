/** The worker in which every model computes. One call runs beside another; each can be aborted. */
import { TesseraeError } from '@tesserae/core'
import { chatTasks } from './chat-tasks.js'
import { deviceTasks } from './device.js'
import type { CallFailure, Calls, FromWorker, TaskContext, Tasks, ToWorker } from './protocol.js'
import { tokenizerTasks } from './tokenizer-tasks.js'
import { trainTasks } from './train-tasks.js'

const tasks: Tasks<Calls> = { ...deviceTasks, ...tokenizerTasks, ...trainTasks, ...chatTasks }
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
  const task = tasks[data.name] as (input: unknown, context: TaskContext<unknown>) => Promise<unknown>
  task(data.input, { signal: controller.signal, emit: (event) => scope.postMessage({ kind: 'event', id, event }) })
    .then(
      (output) => scope.postMessage({ kind: 'output', id, output }),
      (error: unknown) => scope.postMessage({ kind: 'error', id, error: failureOf(error) }),
    )
    .finally(() => running.delete(id))
}
