import type { CodeSet } from './code-set.js'

/** A regular expression as a tree. Classes, escapes, anchors and flags are worked out: what is left consumes sets of characters or looks around. */
export type Syntax =
  | { readonly type: 'set'; readonly set: CodeSet }
  | { readonly type: 'sequence'; readonly items: readonly Syntax[] }
  | { readonly type: 'choice'; readonly items: readonly Syntax[] }
  | { readonly type: 'repeat'; readonly body: Syntax; readonly min: number; readonly max: number; readonly mode: RepeatMode }
  | { readonly type: 'atomic'; readonly body: Syntax }
  | { readonly type: 'look'; readonly body: Syntax; readonly behind: boolean; readonly negative: boolean }

/** Whether a repetition takes as much as it can, as little, or as much without ever giving back. */
export type RepeatMode = 'greedy' | 'lazy' | 'possessive'

export const sequence = (items: readonly Syntax[]): Syntax => (items.length === 1 ? items[0]! : { type: 'sequence', items })
export const choice = (items: readonly Syntax[]): Syntax => (items.length === 1 ? items[0]! : { type: 'choice', items })
export const look = (body: Syntax, behind: boolean, negative: boolean): Syntax => ({ type: 'look', body, behind, negative })

/** Whether the expression can match without consuming anything. */
export function isNullable(node: Syntax): boolean {
  switch (node.type) {
    case 'set':
      return false
    case 'sequence':
      return node.items.every(isNullable)
    case 'choice':
      return node.items.some(isNullable)
    case 'repeat':
      return node.min === 0 || isNullable(node.body)
    case 'atomic':
      return isNullable(node.body)
    case 'look':
      return true
  }
}

/** The greatest number of characters that the expression can match; infinite when there is none. */
export function longest(node: Syntax): number {
  switch (node.type) {
    case 'set':
      return 1
    case 'sequence':
      return node.items.reduce((sum, item) => sum + longest(item), 0)
    case 'choice':
      return node.items.reduce((most, item) => Math.max(most, longest(item)), 0)
    case 'repeat': {
      const body = longest(node.body)
      return body === 0 || node.max === 0 ? 0 : body * node.max
    }
    case 'atomic':
      return longest(node.body)
    case 'look':
      return 0
  }
}

/** How many characters before the place where it stands the expression can look at. */
export function lookBehind(node: Syntax): number {
  switch (node.type) {
    case 'set':
      return 0
    case 'sequence':
    case 'choice':
      return node.items.reduce((most, item) => Math.max(most, lookBehind(item)), 0)
    case 'repeat':
    case 'atomic':
      return lookBehind(node.body)
    case 'look':
      return lookBehind(node.body) + (node.behind ? longest(node.body) : 0)
  }
}
