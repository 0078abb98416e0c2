/** What libraries do on one adapter, and the numbers that all begin with. */
import { wave, type Work } from '../../foundation/contests/contest.js'

export const contests = ['matmul256', 'matmul512', 'softmax', 'layerNorm', 'block', 'step'] as const
export type ContestName = (typeof contests)[number]

export { eps, type Work } from '../../foundation/contests/contest.js'

export interface Side<Name extends ContestName = ContestName> {
  /** What runs underneath. */
  readonly runtime: string
  readonly works: Readonly<Record<Name, () => Work>>
}

/** A side that does not train. */
export type ForwardSide = Side<Exclude<ContestName, 'step'>>

/** A block as GPT-2's, on one text. */
export const gpt = { tokens: 64, width: 256, heads: 4, hidden: 1024, rate: 0.01 } as const

/** Weights of the block: products, biases, and the two norms. */
export const shapes = {
  gain1: [gpt.width],
  shift1: [gpt.width],
  query: [gpt.width, gpt.width],
  key: [gpt.width, gpt.width],
  value: [gpt.width, gpt.width],
  output: [gpt.width, gpt.width],
  outputBias: [gpt.width],
  gain2: [gpt.width],
  shift2: [gpt.width],
  up: [gpt.width, gpt.hidden],
  upBias: [gpt.hidden],
  down: [gpt.hidden, gpt.width],
  downBias: [gpt.width],
} as const
export type WeightName = keyof typeof shapes
export const weightNames = Object.keys(shapes) as WeightName[]
export const byWeight = <T>(make: (name: WeightName) => T): Record<WeightName, T> =>
  Object.fromEntries(weightNames.map((name) => [name, make(name)])) as Record<WeightName, T>

export const weightData = (name: WeightName): Float32Array => {
  const count = shapes[name].reduce<number>((a, b) => a * b, 1)
  const data = wave(count, 0.37 + weightNames.indexOf(name), shapes[name].length === 2 ? 0.05 : 0.1)
  return name.startsWith('gain') ? data.map((value) => 1 + value) : data
}
export const blockInput = (): Float32Array => wave(gpt.tokens * gpt.width, 1.7)
