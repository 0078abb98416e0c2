import type { RandomStream } from '@tesserae/core'
import type { Candidates } from './candidates.js'

/** One stage of a sampler: narrows the candidates or changes their logits. Custom stages implement it too. */
export interface SamplerStep {
  readonly name: string
  apply(candidates: Candidates): void
  /**
   * False for a step that does to the tokens with the highest logits what it would do to them among all, whatever the others are: it lowers logits, takes tokens away by themselves or by a threshold that
   * the highest logit gives, and has no memory of what it was applied to. What raises the logit of a token that is not there says so by {@link Candidates.raiseMissing}. Default true.
   */
  readonly needsAll?: boolean
  /** About how many tokens the step keeps, where it keeps few. */
  readonly keeps?: number
  /** Gives a stage that draws random numbers its own, made from the sampler's seed; called when the sampler is made and when it is reset. */
  seed?(stream: RandomStream): void
  /** Learns which token was chosen. Only stages that look back need this and what follows. */
  accept?(id: number): void
  /** Forgets what was accepted. */
  reset?(): void
  /** An independent copy with the same memory; a stage without it is shared between copies of a sampler. */
  clone?(): SamplerStep
  /** The memory as plain JSON, for {@link SamplerStep.restore}. */
  state?(): unknown
  restore?(state: unknown): void
}
