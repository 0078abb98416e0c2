import type { Options } from './options.js'
import type { Terminal } from './terminal.js'

/** In the order in which they run. */
export const stageNames = ['tokenizer', 'pretrain', 'sft', 'rank', 'reward', 'ppo', 'generate', 'answer'] as const
export type StageName = (typeof stageNames)[number]

/** What a stage found out: numbers for whoever checks, sentences for people. Both are kept beside its result. */
export interface Report {
  readonly figures: Readonly<Record<string, number>>
  /** Printed when the stage has run and when its result is reused. */
  readonly lines: readonly string[]
}

export interface StageContext {
  readonly options: Options
  readonly ui: Terminal
  readonly signal: AbortSignal
  /** Where the result is written. It takes its final name only when the stage has ended, so half a result is never found there. */
  readonly folder: string
  /** What an interrupted run of this very stage left; absent when there is none, or when it is to begin anew. */
  readonly interrupted?: string
  /** A folder for what shall outlive an interruption; made on the first call. */
  keep(): Promise<string>
  /** The result of a stage that this one needs. */
  from(name: StageName): string
}

/** One step of the road. */
export interface Stage {
  readonly name: StageName
  readonly title: string
  /** The file to read, from the root of the repository. */
  readonly code: string
  readonly needs: readonly StageName[]
  /** Everything outside of `needs` that the result depends on: options, and the contents of files that are read. */
  inputs(options: Options): Promise<unknown> | unknown
  /** True when what an interrupted run kept is a person's work: it is used without --resume and never deleted. */
  readonly keepsWork?: (options: Options) => boolean
  /** Writes the result into `folder`. Errors: AbortError when the signal is aborted. */
  run(context: StageContext): Promise<Report>
}
