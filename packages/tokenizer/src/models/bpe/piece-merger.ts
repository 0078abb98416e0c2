import type { IdList } from '../../id-list.js'

/** Turns the bytes of a piece into ids by merging. */
export interface PieceMerger {
  /**
   * Appends the ids of `bytes[start, end)`, which `view` sees too.
   */
  merge(bytes: Uint8Array, view: DataView, start: number, end: number, out: IdList): void
}
