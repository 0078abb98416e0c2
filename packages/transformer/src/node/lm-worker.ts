// The script of the threads that `workerModel` starts.
import { parentPort, workerData } from 'node:worker_threads'
import type { OnProgress } from '@tesserae/core'
import { TransformerError } from '../errors.js'
import type { Lm } from '../lm/types.js'
import { loadModel } from '../load/load.js'
import { sentError, type FromWorker, type ToWorker } from '../worker/messages.js'
import { serveCalls } from '../worker/serve-calls.js'
import type { WorkerStart } from '../worker/node/worker-model.js'

const port = parentPort
if (port === null)
  throw new TransformerError('UNSUPPORTED', 'the script of workerModel is called in a worker thread; this is the main thread')
const post = (message: FromWorker): void => port.postMessage(message)
const onProgress: OnProgress = (event) => post({ type: 'progress', event })

async function load(start: WorkerStart): Promise<Lm> {
  if ('source' in start) return loadModel(start.source, { ...start.options, onProgress })
  const { loadLm } = (await import(start.module)) as { readonly loadLm?: unknown }
  if (typeof loadLm !== 'function')
    throw new TransformerError('OPTION', `${start.module} has no export loadLm, a function that resolves to the model`)
  return (await loadLm(start.data, { onProgress })) as Lm
}

try {
  const lm = await load(workerData as WorkerStart)
  const handle = serveCalls(lm, post, () => port.close())
  port.on('message', (message: ToWorker) => handle(message))
  post({ type: 'ready', info: lm.info })
} catch (error) {
  post({ type: 'failed', error: sentError(error) })
}
