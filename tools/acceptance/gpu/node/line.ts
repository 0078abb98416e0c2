/** What `op-table.ts` prints. */
export type Line =
  | { readonly kind: 'device'; readonly description: string }
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'case'; readonly title: string; readonly problems: readonly string[] }
  | {
      readonly kind: 'samples' | 'goldens'
      readonly count: number
      readonly failed: number
      readonly rows: Readonly<Record<string, readonly [right: number, count: number]>>
    }

/** What `programs.ts` prints, in this order. */
export type ProgramLine =
  | { readonly kind: 'device'; readonly description: string }
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'stories'; readonly ids: readonly number[]; readonly tokensPerSecond: number }
  | { readonly kind: 'loss'; readonly loss: number }
  | { readonly kind: 'lengths'; readonly problems: readonly string[] }

/** What `programs.ts` is to do, as JSON in its one argument. */
export interface ProgramTask {
  readonly prompt: readonly number[]
  readonly tokens: number
  readonly steps: number
  /** Texts of a training batch. */
  readonly rows: number
  /** Of prompts, see `cacheProblems`. */
  readonly lengths: readonly number[]
}
