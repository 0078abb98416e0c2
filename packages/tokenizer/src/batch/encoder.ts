import type { EncodeOptions } from '../core-tokenizer.js'
import { natural } from '../encoding/options.js'
import { TokenizerError } from '../errors.js'
import type { Request, Response, WireError } from './protocol.js'
import { checkSource, type TokenizerSource } from './source.js'
import { threadOf, type Thread, type WorkerLike } from './thread.js'

export interface BatchEncoderOptions {
  /** How many threads. Default: as many as can run at a time, less one for whoever calls, at least one. */
  readonly workers?: number
  /**
   * Starts a thread that calls `serveBatches`. Default: one with the package's own script, which bundlers find by `new URL(…, import.meta.url)`; where one does not,
   * bundle a script of yours.
   */
  readonly start?: () => WorkerLike
}

export interface EncodeBatchOptions extends EncodeOptions {
  /** Gives up: what is not yet encoded is left. */
  readonly signal?: AbortSignal
}

/** Text that a thread is given at a time, in UTF-16 units, so that all end at about the same time. */
const CHUNK = 1 << 16

interface Batch {
  readonly texts: readonly string[]
  readonly options: EncodeOptions
  readonly results: Uint32Array[]
  /** The first text that no thread has been given. */
  next: number
  /** Texts that threads are at. */
  running: number
  failed: { readonly text: number; readonly error: Error } | undefined
  readonly settle: (error?: Error) => void
}

interface Worker {
  readonly thread: Thread
  job: { readonly batch: Batch; readonly from: number; readonly to: number } | undefined
}

/**
 * Starts threads that each read a tokenizer, and gives them texts to encode.
 *
 * @throws TokenizerError `VALUE` for what is no source or a wrong number of threads, `UNSUPPORTED` when a thread does not start, and whatever reading the
 * tokenizer throws
 * @example
 * const encoder = await createBatchEncoder({ encoding: 'o200k_base' }, { workers: 4 })
 * const ids = await encoder.encodeBatch(documents, { special: 'text' })
 * await encoder.close()
 */
export async function createBatchEncoder(source: TokenizerSource, options: BatchEncoderOptions = {}): Promise<BatchEncoder> {
  checkSource(source)
  const { processors, startThread } = await import('#threads')
  const workers = options.workers ?? Math.max(1, processors() - 1)
  natural('workers', workers)
  if (workers === 0) throw new TokenizerError('VALUE', 'workers is a whole number from 1 on, got 0')
  const encoder = new BatchEncoder()
  try {
    await encoder.begin(source, workers, options.start ?? startThread)
  } catch (error) {
    await encoder.close()
    throw error
  }
  return encoder
}

/** Encodes texts in threads; see {@link createBatchEncoder}. While it has nothing to do it does not keep Node's process. */
export class BatchEncoder {
  private readonly workers: Worker[] = []
  private readonly batches: Batch[] = []
  private closed: Error | undefined

  /** @internal */
  async begin(source: TokenizerSource, count: number, start: () => WorkerLike): Promise<void> {
    await Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise<void>((resolve, reject) => {
            const worker: Worker = {
              job: undefined,
              thread: threadOf(start(), {
                message: (message) => {
                  const response = message as Response
                  if (response.kind === 'ready') worker.thread.send({ kind: 'load', source } satisfies Request)
                  else if (response.kind === 'loaded') resolve()
                  else if (response.kind === 'failed' && response.job === undefined) reject(errorOf(response.error))
                  else this.answered(worker, response)
                },
                lost: (why) => {
                  const error = new TokenizerError('UNSUPPORTED', `A thread of the batch encoder was lost: ${why}`)
                  reject(error)
                  void this.fail(error)
                },
              }),
            }
            this.workers.push(worker)
          }),
      ),
    )
    for (const { thread } of this.workers) thread.keepsProcess(false)
  }

  /**
   * The token ids of texts, in their order: what {@link CoreTokenizer.encode} gives for each.
   *
   * @throws TokenizerError what encoding throws, with the index of the first such text in its message; `UNSUPPORTED` once the encoder is closed; the signal's reason
   */
  encodeBatch(texts: readonly string[], { signal, ...options }: EncodeBatchOptions = {}): Promise<Uint32Array[]> {
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) return reject(this.closed)
      if (signal?.aborted === true) return reject(signal.reason as Error)
      const abort = (): void => {
        drop()
        reject(signal!.reason as Error)
        this.give()
      }
      const drop = (): void => {
        signal?.removeEventListener('abort', abort)
        const at = this.batches.indexOf(batch)
        if (at >= 0) this.batches.splice(at, 1)
      }
      const batch: Batch = {
        texts: [...texts],
        options,
        results: new Array<Uint32Array>(texts.length),
        next: 0,
        running: 0,
        failed: undefined,
        settle: (error) => {
          drop()
          if (error === undefined) resolve(batch.results)
          else reject(error)
        },
      }
      if (texts.length === 0) return resolve([])
      signal?.addEventListener('abort', abort, { once: true })
      this.batches.push(batch)
      this.give()
    })
  }

  /** Stops the threads; what is being encoded is refused. */
  async close(): Promise<void> {
    await this.fail(new TokenizerError('UNSUPPORTED', 'The batch encoder is closed; create another'))
  }

  private async fail(error: Error): Promise<void> {
    this.closed ??= error
    for (const batch of [...this.batches]) batch.settle(error)
    await Promise.all(this.workers.map(({ thread }) => thread.stop()))
  }

  /** Gives every idle thread the next texts. */
  private give(): void {
    for (const worker of this.workers) {
      if (worker.job !== undefined) continue
      const batch = this.batches.find(({ next, texts, failed }) => failed === undefined && next < texts.length)
      if (batch === undefined) {
        worker.thread.keepsProcess(false)
        continue
      }
      const from = batch.next
      for (let size = 0; batch.next < batch.texts.length && size < CHUNK;) size += batch.texts[batch.next++]!.length + 1
      batch.running++
      worker.job = { batch, from, to: batch.next }
      worker.thread.keepsProcess(true)
      worker.thread.send({
        kind: 'encode',
        job: from,
        texts: batch.texts.slice(from, batch.next),
        options: batch.options,
      } satisfies Request)
    }
  }

  private answered(worker: Worker, response: Response): void {
    const { job } = worker
    worker.job = undefined
    if (job === undefined) return
    const { batch, from, to } = job
    batch.running--
    if (response.kind === 'encoded') {
      const { ids, ends } = response
      for (let i = from, start = 0; i < to; i++) {
        const end = ends[i - from]!
        batch.results[i] = ids.slice(start, end)
        start = end
      }
    } else if (response.kind === 'failed') {
      // Texts are given out in order, so the first that fails is among those that are being encoded.
      const text = from + (response.error.text ?? 0)
      if (batch.failed === undefined || text < batch.failed.text) batch.failed = { text, error: errorOf(response.error, text) }
    }
    if (batch.running === 0 && (batch.failed !== undefined || batch.next === batch.texts.length)) batch.settle(batch.failed?.error)
    this.give()
  }
}

function errorOf({ code, message, token, position }: WireError, text?: number): Error {
  const shown = text === undefined ? message : `Text ${text} of the batch: ${message}`
  if (code === undefined) return new Error(shown)
  return new TokenizerError(code, shown, { ...(token === undefined ? {} : { token }), ...(position === undefined ? {} : { position }) })
}
