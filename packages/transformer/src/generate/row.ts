/** What a text under way is to whoever goes on with it. */
import type { TopLogits } from '@tesserae/sampling'

/** One text under way. */
export interface Row {
  /** The text so far. Whoever opened the row adds what it chose. */
  readonly ids: number[]
  /** Tokens that were there already when the text was first computed. */
  readonly cachedTokens: number
  /** Logits [vocabulary] of what comes behind `ids`. Errors: AbortError, DISPOSED, and what the device says. */
  next(signal?: AbortSignal): Promise<Float32Array>
  /** The same without a copy where the device's memory can be seen: without meaning once the row is asked again, or closed. */
  look(signal?: AbortSignal): Promise<Float32Array>
  /** The same with what the last norm gives for the last id, [width]. */
  state(signal?: AbortSignal): Promise<TextState>
  /** The `count` highest logits or more, with their ids; or all, where others that are computed with it want theirs. */
  highest(count: number, signal?: AbortSignal): Promise<TopLogits | Float32Array>
  /** Logits behind each of the last `count` ids. */
  nextOf(count: number, signal?: AbortSignal): Promise<Float32Array[]>
  /** Takes ids out again, from a place on, and puts others there. */
  replace(from: number, ids: readonly number[]): void
  /** Becomes what another row was when it was last asked of, and takes over what is computed of it. Both are then given their next ids, and asked of together. */
  copy(other: Row): void
  /** Gives the place back. */
  close(): void
  [Symbol.dispose](): void
}

/** What a model says of a text. */
export interface TextState {
  /** [vocabulary] */
  readonly logits: Float32Array
  /** [width] */
  readonly hidden: Float32Array
}
