import { serve } from './batch/serve.js'

export { BatchEncoder, createBatchEncoder, type BatchEncoderOptions, type EncodeBatchOptions } from './batch/encoder.js'
export type { TokenizerSource } from './batch/source.js'
export type { WorkerLike } from './batch/thread.js'

/**
 * Makes the thread that this is called in one of a batch encoder's. For a script of your own, see `start` of {@link createBatchEncoder}.
 *
 * @throws TokenizerError `UNSUPPORTED` in Node's main thread
 */
export async function serveBatches(): Promise<void> {
  const { ownPort } = await import('#threads')
  serve(ownPort())
}
