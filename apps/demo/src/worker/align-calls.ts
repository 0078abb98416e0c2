import type { Call } from './protocol.js'

/** Two answers of the shipped model to one prompt. */
export interface AnswerPair {
  readonly prompt: string
  readonly answers: readonly [string, string]
}

/** What a person, or a rule, preferred. */
export interface Ranking {
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

export interface AlignStep {
  readonly step: number
  readonly steps: number
  readonly loss: number
  /** Mean difference of the two implicit rewards, β · (log-ratio of the chosen − of the rejected answer). */
  readonly margin: number
  /** Share of the pairs in the batch that the policy orders as ranked. */
  readonly accuracy: number
  readonly rewardChosen: number
  readonly rewardRejected: number
}

export interface BeforeAfter {
  readonly prompt: string
  readonly before: string
  readonly after: string
}

export type AlignEvent =
  | { readonly kind: 'stage'; readonly text: string }
  | ({ readonly kind: 'step' } & AlignStep)
  | ({ readonly kind: 'sample' } & BeforeAfter)

export interface AlignCalls {
  /** Errors: when the model gives one answer only, however often it is asked. */
  'align.pair': Call<{ readonly prompt: string; readonly seed: number }, never, AnswerPair>
  /** Trains a copy of the shipped model on rankings by DPO; it is then the `aligned` variant of the chat. */
  'align.train': Call<
    {
      readonly rankings: readonly Ranking[]
      readonly steps: number
      readonly beta: number
      readonly learningRate: number
      /** Prompts whose answers are compared before and after. */
      readonly probes: readonly string[]
    },
    AlignEvent,
    { readonly seconds: number; readonly pairs: number }
  >
  'align.reset': Call<Record<string, never>, never, Record<string, never>>
}
