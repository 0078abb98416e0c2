import type { DecoderConfig } from '../architectures/config.js'

/** Most tokens that are appended to a cache at once where layers slide. */
export const longestPiece = 256

/** Tokens by which a text can be cut back at any time, guesses that were wrong among them. */
export const cutBack = 64

/** How layers with a window hold fewer rows than the others: only what tokens to come can see, and room for a piece. */
export interface Sliding {
  /** Tokens that one sees, itself included; the most of all layers. */
  readonly window: number
  /** Rows that stay when there is no room for a piece: they move to the beginning. */
  readonly kept: number
  /** Rows in all. */
  readonly rows: number
}

/** Undefined where no layer has a window, or the capacity is hardly larger than the window. */
export function slidingOf({ windows = [] }: Pick<DecoderConfig, 'windows'>, capacity: number): Sliding | undefined {
  const window = Math.max(0, ...windows)
  const kept = window - 1 + cutBack
  const rows = kept + longestPiece
  return window > 0 && rows < capacity ? { window, kept, rows } : undefined
}

/** Rows of each layer's cache. */
export function layerRows(config: Pick<DecoderConfig, 'layers' | 'windows'>, capacity: number, sliding: Sliding | undefined): number[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    sliding !== undefined && (config.windows?.[layer] ?? 0) > 0 ? sliding.rows : capacity,
  )
}
