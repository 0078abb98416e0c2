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
