import { throwIfAborted } from '@tesserae/core'

/** Work between two returns to the event loop, which let a signal fire and a page redraw. */
const SLICE_MS = 40

/** Once in a while lets the event loop run, then checks the signal and gives true. */
export type Pause = () => Promise<boolean> | boolean

/** @throws AbortedError, from what is returned, when `signal` is aborted */
export function pauses(signal: AbortSignal | undefined): Pause {
  let due = performance.now() + SLICE_MS
  return () => {
    if (performance.now() < due) return false
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
      throwIfAborted(signal, 'Training the tokenizer')
      due = performance.now() + SLICE_MS
      return true
    })
  }
}

/** Does `body` for the ranges of 0 to `size` in turn, pausing between them. */
export async function inSlices(size: number, pause: Pause, body: (from: number, to: number) => void, slice = 1 << 16): Promise<void> {
  for (let from = 0; from < size; from += slice) {
    body(from, Math.min(size, from + slice))
    await pause()
  }
}
