import { availableParallelism } from 'node:os'
import { parentPort, Worker } from 'node:worker_threads'
import { TokenizerError } from '../../errors.js'
import type { ThreadPort } from '../serve.js'
import type { WorkerLike } from '../thread.js'

/** Starts a thread that serves. */
export function startThread(): WorkerLike {
  // Run from source, which whatever runs this thread has to be able to read in that one too.
  const script = import.meta.url.endsWith('.ts') ? '../../batch-worker.ts' : '../../batch-worker.js'
  // Said of a script on the command line, and refused for a file.
  const execArgv = process.execArgv.filter((argument) => !argument.startsWith('--input-type'))
  return new Worker(new URL(script, import.meta.url), { name: 'tokenizer', execArgv })
}

/** How many threads can run at a time. */
export const processors = (): number => availableParallelism()

/**
 * The port of the thread that this is called in.
 *
 * @throws TokenizerError `UNSUPPORTED` in the main thread
 */
export function ownPort(): ThreadPort {
  const port = parentPort
  if (port === null) throw new TokenizerError('UNSUPPORTED', 'serveBatches is called in a worker thread; this is the main thread')
  return {
    receive: (handle) => port.on('message', handle),
    send: (message, transfer) => port.postMessage(message, transfer),
  }
}
