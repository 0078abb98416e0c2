import { throwIfAborted } from '@tesserae/core'

/**
 * Waits, or until a signal is aborted. Errors: AbortError.
 *
 * @param operation what was going on, for its message: 'Downloading the model'
 */
export async function pause(seconds: number, operation: string, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, seconds * 1000)
    signal?.addEventListener('abort', done, { once: true })
  })
  throwIfAborted(signal, operation)
}
