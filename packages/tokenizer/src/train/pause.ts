import { throwIfAborted } from '@tesserae/core'
import type { Pause } from './merge-corpus.js'

/** Work between two returns to the event loop, which let a signal fire and a page redraw. */
const SLICE_MS = 30

/** A function that, once in a while, lets the event loop run, then checks the signal and returns true. */
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
