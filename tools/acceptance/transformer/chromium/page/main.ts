import type { Contestant, Loaded, Page, Task } from './protocol.js'
import { openWllama } from './wllama.js'

/** Ours and transformers.js compute in a worker, as pages do that stay answerable; wllama makes one by itself. */
function inWorker(): Page {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const ask = <Answer>(question: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message))
      worker.onmessage = ({ data }: MessageEvent<{ readonly answer?: Answer; readonly error?: string }>) => {
        if (data.error === undefined) resolve(data.answer!)
        else reject(new Error(data.error))
      }
      worker.postMessage(question)
    })
  return { load: (task) => ask(task), turn: (tokens) => ask(tokens) }
}

let contestant: Contestant | undefined

const page: Page = {
  async load(task: Task): Promise<Loaded> {
    if (task.runtime === 'wllama') {
      const { loaded, ...opened } = await openWllama(task)
      contestant = opened
      return loaded
    }
    const worker = inWorker()
    contestant = worker
    return worker.load(task)
  },
  turn: (tokens) => contestant!.turn(tokens),
}

;(globalThis as unknown as { decoding: Page }).decoding = page
