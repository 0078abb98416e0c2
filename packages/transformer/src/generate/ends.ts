/** What ends a text before it is finished. */
import { AbortedError } from '@tesserae/core'
import { TransformerError } from '../errors.js'

export const noMemory = (texts: number): TransformerError =>
  new TransformerError(
    'CAPACITY',
    `${texts === 1 ? 'a text is' : `${texts} texts are`} to be computed side by side, and there is no memory for as many caches; make the model with a smaller capacity, or more cacheBlocks`,
  )

export const disposed = (): TransformerError =>
  new TransformerError('DISPOSED', 'the model was disposed; keep it until its last generation has ended')

export const abortedBy = (signal: AbortSignal | undefined, cause: unknown = signal?.reason): AbortedError =>
  new AbortedError('Generation was aborted by its signal', { cause })

export const isAbort = (error: Error): boolean => (error as { readonly code?: unknown }).code === 'ABORTED'
