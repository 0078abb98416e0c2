/** Low-rank adapters: a small trained difference beside frozen weights. */
import { random } from '@tesserae/core'
import { jit, realize, tensor, type Tensor } from '@tesserae/tensor'
import { namedWeights, mapWeights, weightSpecs, type DecoderWeights, type WeightSpec } from '../architectures/weights.js'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'

/** What an adapter adds to, and how strongly. */
export interface LoraConfig {
  /** Inner dimension r of B·A, from 1; default 8. */
  readonly rank: number
  /** Numerator of the scale; default 8. */
  readonly alpha: number
  /** Divide α by √r instead of r, so that the scale of updates does not fall with the rank (Kalajdzievski, arXiv:2312.03732); default false. */
  readonly rankStabilized: boolean
  /**
   * Which matrices get an adapter: names, or ends or middle parts of names of whole segments, such as `query`, `attention.output`, `feedForward` or
   * `blocks.0.attention`. Default query and value, as in the paper.
   */
  readonly targets: readonly string[]
}

/** The pair of one matrix [out, in]: A [rank, in] and B [out, rank]. */
export interface LoraPair<Leaf = Tensor> {
  readonly a: Leaf
  readonly b: Leaf
}

/** The pairs by the name of the weight that they change, such as `blocks.0.attention.query.weight`: a record to differentiate by and to optimise. */
export type LoraWeights<Leaf = Tensor> = Readonly<Record<string, LoraPair<Leaf>>>

/** An adapter: plain configuration and weights. The caller owns the tensors. */
export interface Lora {
  readonly config: LoraConfig
  readonly weights: LoraWeights
}

const defaults: LoraConfig = { rank: 8, alpha: 8, rankStabilized: false, targets: ['attention.query', 'attention.value'] }

/** Checks an adapter's options and fills in the defaults. Errors: OPTION, naming the field. */
export function loraConfig(options: Partial<LoraConfig> = {}): LoraConfig {
  const config = { ...defaults, ...options }
  const fail = (field: keyof LoraConfig, expected: string): never => {
    throw new TransformerError('OPTION', `lora: ${field} is ${JSON.stringify(config[field]) ?? 'undefined'}; expected ${expected}`)
  }
  if (!Number.isInteger(config.rank) || config.rank < 1) fail('rank', 'a positive integer')
  if (!Number.isFinite(config.alpha) || config.alpha === 0) fail('alpha', 'a number other than 0')
  if (typeof config.rankStabilized !== 'boolean') fail('rankStabilized', 'true or false')
  if (
    !Array.isArray(config.targets) ||
    config.targets.length === 0 ||
    !config.targets.every((name) => typeof name === 'string' && name !== '')
  )
    fail('targets', 'at least one name of a weight, or a part of one')
  const { rank, alpha, rankStabilized, targets } = config
  return { rank, alpha, rankStabilized, targets: [...targets] }
}

/** What B·A is multiplied by: α/r, or α/√r when rank-stabilised. */
export const loraScale = ({ alpha, rank, rankStabilized }: LoraConfig): number => alpha / (rankStabilized ? Math.sqrt(rank) : rank)

/** Whether `target` names this weight: the same segments, in order and without gaps, somewhere in its dotted name. */
const names = (target: string, weight: string): boolean => `.${weight}.`.includes(`.${target}.`)

/** Names of the matrices of a decoder that `targets` select, in the model's order. Errors: OPTION for a target that selects none. */
export function loraTargets(config: DecoderConfig, targets: readonly string[]): string[] {
  const matrices = [...namedWeights<WeightSpec>(weightSpecs(config))].filter(([, { shape }]) => shape.length === 2).map(([name]) => name)
  for (const target of targets)
    if (!matrices.some((name) => names(target, name)))
      throw new TransformerError(
        'OPTION',
        `lora: target ${JSON.stringify(target)} selects no matrix of this model; it has ${matrices.slice(0, 9).join(', ')}${matrices.length > 9 ? ', …' : ''}`,
      )
  return matrices.filter((name) => targets.some((target) => names(target, name)))
}

/** The pairs that an adapter of this decoder consists of, as shapes. */
export function loraShapes(config: DecoderConfig, lora: LoraConfig): LoraWeights<readonly number[]> {
  const specs = namedWeights<WeightSpec>(weightSpecs(config))
  return Object.fromEntries(
    loraTargets(config, lora.targets).map((name) => {
      const [out, into] = specs.get(name)!.shape as readonly [number, number]
      return [name, { a: [lora.rank, into], b: [out, lora.rank] }]
    }),
  )
}

/**
 * A fresh adapter (Hu et al., arXiv:2106.09685): A is Kaiming-uniform with a = √5, that is uniform within ±1/√in, and B is zero, so that
 * it changes nothing until it is trained. The same seed gives the same values; each pair draws from a stream named after its
 * weight. Errors: OPTION.
 */
export function initLora(config: DecoderConfig, options: Partial<LoraConfig> & { readonly seed: number | string }): Lora {
  const { seed, ...rest } = options
  const lora = loraConfig(rest)
  const stream = random(seed).stream('lora')
  const pairs = Object.entries(loraShapes(config, lora)).map(([name, { a, b }]): [string, LoraPair] => {
    const draw = stream.stream(name)
    const bound = 1 / Math.sqrt(a[1]!)
    const values = Float32Array.from({ length: a[0]! * a[1]! }, () => bound * (2 * draw.uniform() - 1))
    return [name, { a: tensor(values, { shape: a, adopt: true }), b: tensor(new Float32Array(b[0]! * b[1]!), { shape: b, adopt: true }) }]
  })
  return { config: lora, weights: Object.fromEntries(pairs) }
}

/**
 * The weights with the adapter on: W + scale · B·A in place of each targeted W, the others as they are. It records graph only, so inside `jit` and
 * `valueAndGrad` it costs one small product a matrix and is differentiable by the adapter: where the weights are not differentiated,
 * gradients exist for A and B alone. Adapter off is `weights` itself.
 *
 * Errors: WEIGHTS for a pair whose weight is missing or of another shape.
 */
export function withLora(weights: DecoderWeights, lora: Lora): DecoderWeights {
  return change(weights, lora, loraScale(lora.config))
}

/**
 * The weights with the adapter added for good, as tensors of their own: what to save, or to generate with at no extra cost. `weights` stay as they
 * are; the caller owns both. Errors: WEIGHTS.
 */
export const mergeLora = (weights: DecoderWeights, lora: Lora): Promise<DecoderWeights> => changed(weights, lora, loraScale(lora.config))

/** Takes an adapter out of merged weights again, up to rounding. `merged` stay as they are; the caller owns both. Errors: WEIGHTS. */
export const unmergeLora = (merged: DecoderWeights, lora: Lora): Promise<DecoderWeights> => changed(merged, lora, -loraScale(lora.config))

/** Frees an adapter's weights. */
export function disposeLora(lora: LoraWeights): void {
  for (const { a, b } of Object.values(lora)) {
    a.dispose()
    b.dispose()
  }
}

function change(weights: DecoderWeights, lora: Lora, scale: number): DecoderWeights {
  checkPairs(weights, lora.weights)
  return mapWeights(weights, (weight: Tensor, name) => {
    const pair = lora.weights[name]
    return pair === undefined ? weight : weight.add(pair.b.matmul(pair.a, { alpha: scale }))
  })
}

async function changed(weights: DecoderWeights, lora: Lora, scale: number): Promise<DecoderWeights> {
  using program = jit(
    (base: DecoderWeights, pairs: LoraWeights) => {
      const record = change(base, { config: lora.config, weights: pairs }, scale)
      // What is handed through would be another handle of the caller's own memory.
      return mapWeights(record, (weight: Tensor, name) => (pairs[name] === undefined ? undefined : weight))
    },
    { name: 'mergeLora' },
  )
  await realize([...namedWeights(weights).values()])
  const added = namedWeights(await program(weights, lora.weights))
  const out = new Map<string, Tensor>()
  for (const [name, weight] of namedWeights(weights)) out.set(name, added.get(name) ?? (await weight.clone()))
  return mapWeights(weights, (_: Tensor, name) => out.get(name)!)
}

function checkPairs(weights: DecoderWeights, pairs: LoraWeights): void {
  const known = namedWeights(weights)
  for (const [name, { a, b }] of Object.entries(pairs)) {
    const weight = known.get(name)
    if (weight === undefined)
      throw new TransformerError('WEIGHTS', `the adapter changes '${name}', which these weights do not have; it belongs to another model`)
    const [out, into] = weight.shape
    if (weight.rank !== 2 || a.rank !== 2 || b.rank !== 2 || a.shape[1] !== into || b.shape[0] !== out || a.shape[0] !== b.shape[1])
      throw new TransformerError(
        'WEIGHTS',
        `the adapter's pair A ${a.describe()}, B ${b.describe()} does not fit '${name}' ${weight.describe()}; expected A [rank, in] and B [out, rank] for a weight [out, in]`,
      )
  }
}
