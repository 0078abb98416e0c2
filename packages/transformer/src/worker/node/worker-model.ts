import { Worker } from 'node:worker_threads'
import { AbortedError, throwIfAborted } from '@tesserae/core'
import type { DeviceName } from '@tesserae/tensor'
import { TransformerError } from '../../errors.js'
import type { Lm } from '../../lm/types.js'
import type { LoadModelOptions } from '../../load/load.js'
import { balance } from '../balance.js'
import { receivedError, type FromWorker, type ToWorker } from '../messages.js'
import { checkRestart, superviseLm, type RestartEvent, type RestartOptions, type StartedLm } from '../supervise.js'
import { workerLm } from '../worker-lm.js'

/** A module that is run in the worker, whose export `loadLm(data, { onProgress })` resolves to the model. */
export interface WorkerModule {
  readonly module: URL | string
  /** Copied into the worker. */
  readonly data?: unknown
}

/** What `loadModel` takes, as far as it can be sent to a worker, and: */
export interface WorkerModelOptions extends Omit<LoadModelOptions, 'tokenizer' | 'device'> {
  readonly device?: DeviceName
  /** Copies of the model, each in a worker of its own; a call goes to the least busy. Default 1. */
  readonly workers?: number
  /** How a worker that died is started again; false never. */
  readonly restart?: RestartOptions | false
  /** Told of workers that died and were started again, by number from 0 on. */
  readonly onWorker?: (event: RestartEvent & { readonly worker: number }) => void
  /** Node's options of the workers; default those of this process. */
  readonly execArgv?: readonly string[]
  /** The script of the workers, where it is not to be this package's own `@tesserae/transformer/node/lm-worker`: for bundles. */
  readonly script?: URL
}

/** What a worker is started with. */
export type WorkerStart =
  | { readonly module: string; readonly data: unknown }
  | { readonly source: string; readonly options: Omit<LoadModelOptions, 'tokenizer' | 'device' | 'signal' | 'onProgress'> }

/**
 * A model in a thread of its own, so that this one goes on while it computes: a server answers /health, a program its users. It is used as any other; answers, errors with their codes and
 * aborts go between. A reader that is slow holds the model up, not the memory.
 *
 * A worker that dies ends its calls with REMOTE, as do later ones until it has been started again, by itself, with longer and longer pauses; with several, the others go on. `lm.health()`
 * tells how many there are, and why. `dispose` ends them all.
 *
 * Errors: those of loading; OPTION; REMOTE where a worker dies; AbortError. Of calls: UNSUPPORTED for a sampler that is an object.
 *
 * @param source what `loadModel` takes as a text, or a module that makes the model
 * @example
 * const lm = await workerModel('models/SmolLM2-135M-Instruct', { workers: 2 })
 * const server = await serve(lm, { handleSignals: true })
 */
export async function workerModel(source: string | URL | WorkerModule, options: WorkerModelOptions = {}): Promise<Lm> {
  const { workers = 1, restart = {}, onWorker, signal, onProgress, execArgv, script, ...load } = options
  throwIfAborted(signal, 'Loading a model')
  if (!Number.isInteger(workers) || workers < 1)
    throw new TransformerError('OPTION', `workers must be an integer from 1 on, got ${workers}`)
  const start: WorkerStart =
    typeof source === 'object' && 'module' in source
      ? { module: String(source.module), data: source.data }
      : { source: String(source), options: load }
  const again = checkRestart(restart === false ? { limit: 0 } : restart)
  const settings = {
    ...(execArgv === undefined ? {} : { execArgv }),
    ...(script === undefined ? {} : { script }),
  }
  const supervised = (worker: number): Promise<Lm> => {
    let progress = worker === 0 ? onProgress : undefined
    return superviseLm(
      (ending) => {
        const shown = progress
        progress = undefined // of the first start alone
        return startWorker(start, { ...settings, ...(shown && { onProgress: shown }), ...(ending && { signal: ending }) })
      },
      again,
      { signal, onEvent: (event) => onWorker?.({ ...event, worker }) },
    )
  }
  const started = await Promise.allSettled(Array.from({ length: workers }, (_, i) => supervised(i)))
  const copies = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find((one) => one.status === 'rejected')
  if (failed !== undefined) {
    await Promise.all(copies.map((lm) => lm.dispose()))
    throw failed.reason
  }
  return workers === 1 ? copies[0]! : balance(copies)
}

// Run from source, which whatever runs this thread has to be able to read in that one too.
const ownScript = new URL(import.meta.url.endsWith('.ts') ? '../../node/lm-worker.ts' : './node/lm-worker.js', import.meta.url)

/** A worker takes over this process's options by itself; but what is said of a script on the command line is refused for a file. */
const inherited = (): readonly string[] | undefined =>
  process.execArgv.some((one) => one.startsWith('--input-type'))
    ? process.execArgv.filter((one) => !one.startsWith('--input-type'))
    : undefined

function startWorker(
  start: WorkerStart,
  { signal, onProgress, execArgv = inherited(), script = ownScript }: WorkerModelOptions,
): Promise<StartedLm> {
  const worker = new Worker(script, {
    name: 'language model',
    workerData: start,
    ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
  })
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve))
  return new Promise((resolve, reject) => {
    let handle: ((message: FromWorker) => void) | undefined
    let onDeath: (error: Error) => void = reject
    const gone = (): void => {
      reject(new AbortedError('Loading a model was aborted by its signal', { cause: signal?.reason }))
      void worker.terminate()
    }
    const settle = (): void => signal?.removeEventListener('abort', gone)
    signal?.addEventListener('abort', gone, { once: true })
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'progress') onProgress?.(message.event)
      else if (message.type === 'failed') {
        settle()
        reject(receivedError(message.error))
        void worker.terminate()
      } else if (message.type === 'ready') {
        settle()
        const made = workerLm({
          info: message.info,
          post: (sent: ToWorker) => worker.postMessage(sent),
          end: async () => {
            // What is computing is left to end, for a while.
            const timer = setTimeout(() => void worker.terminate(), 5000)
            await exited
            clearTimeout(timer)
          },
        })
        handle = made.handle
        const died = new Promise<Error>((tell) => {
          onDeath = (error) => {
            made.die(error)
            tell(error)
          }
        })
        resolve({ lm: made.lm, died })
      } else handle?.(message)
    })
    worker.on('error', (error) => {
      settle()
      onDeath(
        new TransformerError('REMOTE', `the worker of a model died: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        }),
      )
    })
    worker.on('exit', (code) => {
      settle()
      onDeath(new TransformerError('REMOTE', `the worker of a model ended with exit code ${code}`))
    })
  })
}
