import type { Call } from './protocol.js'

export interface TrainSettings {
  readonly textName: string
  /** Steps in all. */
  readonly steps: number
  readonly size: ModelSize
  readonly seed: number
  /** A sample is written after every so many steps. */
  readonly sampleEvery: number
}

export type ModelSize = 'tiny' | 'small' | 'medium'

/** What is known of a run, saved or under way. */
export interface TrainSummary extends TrainSettings {
  readonly step: number
  readonly parameters: number
  readonly vocabSize: number
  /** Characters of the text. */
  readonly characters: number
  readonly losses: readonly (readonly [step: number, loss: number])[]
  readonly samples: readonly TrainSample[]
  /** Whether the run was under way when it was last saved: a tab that closed, not a pause. */
  readonly running: boolean
}

export interface TrainSample {
  readonly step: number
  readonly text: string
}

export type TrainEvent =
  | { readonly kind: 'stage'; readonly text: string }
  | { readonly kind: 'begun'; readonly summary: TrainSummary }
  | { readonly kind: 'step'; readonly step: number; readonly loss: number; readonly tokensPerSecond: number }
  | ({ readonly kind: 'sample' } & TrainSample)
  | { readonly kind: 'saved'; readonly step: number }

export interface TrainCalls {
  /** The saved run, if there is one. */
  'train.saved': Call<Record<string, never>, never, { readonly summary?: TrainSummary; readonly elsewhere: boolean }>
  /** An abort saves the state first: that is a pause. */
  'train.start': Call<TrainSettings & { readonly text: string }, TrainEvent, TrainSummary>
  'train.resume': Call<Record<string, never>, TrainEvent, TrainSummary>
  'train.discard': Call<Record<string, never>, never, Record<string, never>>
  /** The weights as a safetensors file; its metadata holds configuration and tokenizer. */
  'train.export': Call<Record<string, never>, never, { readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string }>
  'train.write': Call<
    { readonly prompt: string; readonly temperature: number; readonly maxTokens: number; readonly seed: number },
    { readonly text: string },
    { readonly tokens: number; readonly seconds: number }
  >
}
