/** What ends a text before it is finished. */
import { AbortedError } from '@tesserae/core'
import { TransformerError } from '../errors.js'

export const noMemory = (texts: number): TransformerError =>
  new TransformerError(
    'CAPACITY',
    `there is no memory for ${texts === 1 ? 'the cache of a text' : `the caches of ${texts} texts, side by side`}; make the model with a smaller capacity, or more cacheBlocks`,
  )

export const disposed = (): TransformerError =>
  new TransformerError('DISPOSED', 'the model was disposed; keep it until its last generation has ended')

export const abortedBy = (signal: AbortSignal | undefined, cause: unknown = signal?.reason): AbortedError =>
  new AbortedError('Generation was aborted by its signal', { cause })

export const isAbort = (error: Error): boolean => (error as { readonly code?: unknown }).code === 'ABORTED'
