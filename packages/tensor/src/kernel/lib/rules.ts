import { activationRules } from './activations.js'
import type { ElementRule } from './elements.js'
import { movementRules } from './movement.js'
import { pointwiseRules } from './pointwise.js'
import { productOps, productRule } from './products.js'
import { reductionRules } from './reductions.js'
import { ropeRule } from './rope.js'
import { scanRules } from './scan.js'
import { scatterRules } from './scatter.js'

/** Every operation that is worked out an element at a time. */
export const elementRules: ReadonlyMap<string, ElementRule> = new Map([
  ...pointwiseRules,
  ...movementRules,
  ...reductionRules,
  ...scanRules,
  ...scatterRules,
  ...activationRules,
  ...[...productOps].map((op) => [op, productRule(op)] as const),
  ['rope', ropeRule],
])
/** Those that go through many elements for each of theirs, which nothing should ask for twice. */
export const loopingOps: ReadonlySet<string> = new Set([
  ...[...reductionRules, ...scanRules, ...scatterRules].map(([op]) => op),
  ...productOps,
])
