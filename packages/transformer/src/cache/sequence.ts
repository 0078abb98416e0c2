import { counted } from '../errors.js'

/** Keys and values of one text, wherever they lie. */
export interface SequenceCache {
  /** Tokens it can hold. */
  readonly capacity: number
  /** Number of tokens in it: the position of the next one. */
  readonly position: number
  /** Refuses what would not fit, before anything runs. Errors: CAPACITY with the numbers. */
  reserve(tokens: number): void
  /** Whether the tokens before `position` can stay when those from there on are forgotten. */
  reaches(position: number): boolean
  /** Forgets the tokens from `position` on; where those before cannot stay, all. Returns the position of the next token. */
  truncate(position: number): number
  dispose(): void
}

/** What is wrong with tokens that go beyond a cache. */
export const beyondCapacity = ({ capacity, position }: Pick<SequenceCache, 'capacity' | 'position'>, tokens: number): string =>
  `the cache holds ${counted(capacity, 'token')}; ${position} are in it and ${tokens} more were to be written, at positions ${position} to ${position + tokens - 1}. Make a cache with more capacity, or generate fewer tokens`
