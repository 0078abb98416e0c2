import { flattenTree, forEachLeaf, mapTree, type Tensor, type Tree } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import type { BlockWeights } from '../layers/block.js'
import type { EmbeddingWeights } from '../layers/embedding.js'
import type { FeedForwardWeights } from '../layers/feed-forward.js'
import type { LinearWeights } from '../layers/linear.js'
import type { MixtureWeights } from '../layers/mixture.js'
import type { NormWeights } from '../layers/norm.js'
import { layoutOf, type Matrix } from '../layers/packed.js'
import { isGated, type DecoderConfig, type MixtureConfig } from './config.js'

/** All weights of a decoder, nested as the model is; the dotted paths are the names in our checkpoints. */
export interface DecoderWeights<Leaf = Tensor, Weight = Leaf> {
  /** [vocabSize, width] */
  readonly embedding: EmbeddingWeights<Leaf, Weight>
  /** [context, width]; learned positions only. */
  readonly positions?: EmbeddingWeights<Leaf>
  readonly blocks: readonly BlockWeights<Leaf, Weight>[]
  readonly norm: NormWeights<Leaf>
  /** [vocabSize, width]; absent when tied to the embedding. */
  readonly head?: LinearWeights<Leaf, Weight>
}

/** Weights to run a decoder with, matrices whole or packed. Training wants {@link DecoderWeights}. */
export type AnyDecoderWeights = DecoderWeights<Tensor, Matrix>

/** Whether a weight may be packed: the matrices of linear layers and of experts, and the table of tokens. */
export const isPackable = (name: string, shape: readonly unknown[]): boolean =>
  (shape.length === 2 || shape.length === 3) &&
  name.endsWith('.weight') &&
  name !== 'positions.weight' &&
  !/\.(router|sharedGate)\./.test(name)

/** What one weight is: its shape and how it starts. */
export class WeightSpec {
  readonly shape: readonly number[]
  /** `residual` is a normal start scaled down by the number of residual additions. */
  readonly start: 'normal' | 'residual' | 'ones' | 'zeros'

  constructor(shape: readonly number[], start: WeightSpec['start']) {
    this.shape = shape
    this.start = start
  }
}

/** The weights that a configuration calls for, as a record with a {@link WeightSpec} in place of each tensor. */
export function weightSpecs(config: DecoderConfig): DecoderWeights<WeightSpec> {
  const { vocabSize, width, hidden, heads, kvHeads, headWidth, mixture } = config
  const { attentionBias = config.bias, queryKeyNorm, normPlacement = 'pre' } = config
  const gated = isGated(config.activation)
  const linear = (out: number, into: number, start: WeightSpec['start'] = 'normal', bias = config.bias): LinearWeights<WeightSpec> => ({
    weight: new WeightSpec([out, into], start),
    ...(bias ? { bias: new WeightSpec([out], 'zeros') } : {}),
  })
  const rowNorm = (count: number): NormWeights<WeightSpec> => ({
    weight: new WeightSpec([queryKeyNorm === 'head' ? headWidth : count * headWidth], 'ones'),
  })
  const norm = (): NormWeights<WeightSpec> => ({
    weight: new WeightSpec([width], 'ones'),
    ...(config.bias && config.norm === 'layer' ? { bias: new WeightSpec([width], 'zeros') } : {}),
  })
  const feedForward = (inner: number): FeedForwardWeights<WeightSpec> => ({
    up: linear(inner, width),
    ...(gated ? { gate: linear(inner, width) } : {}),
    down: linear(width, inner, 'residual'),
  })
  const experts = ({ experts: count, hidden: inner, sharedHidden }: MixtureConfig): MixtureWeights<WeightSpec> => ({
    router: { weight: new WeightSpec([count, width], 'normal') },
    experts: {
      up: { weight: new WeightSpec([count, inner, width], 'normal') },
      gate: { weight: new WeightSpec([count, inner, width], 'normal') },
      down: { weight: new WeightSpec([count, width, inner], 'residual') },
    },
    ...(sharedHidden === undefined
      ? {}
      : { shared: feedForward(sharedHidden), sharedGate: { weight: new WeightSpec([1, width], 'normal') } }),
  })
  const block = (_: unknown, layer: number): BlockWeights<WeightSpec> => ({
    ...(normPlacement === 'post' ? {} : { attentionNorm: norm() }),
    attention: {
      query: linear(heads * headWidth, width, 'normal', attentionBias),
      key: linear(kvHeads * headWidth, width, 'normal', attentionBias),
      value: linear(kvHeads * headWidth, width, 'normal', attentionBias),
      ...(queryKeyNorm === undefined ? {} : { queryNorm: rowNorm(heads), keyNorm: rowNorm(kvHeads) }),
      output: linear(width, heads * headWidth, 'residual'),
    },
    ...(normPlacement === 'pre' ? {} : { attentionOutputNorm: norm() }),
    ...(normPlacement === 'post' ? {} : { feedForwardNorm: norm() }),
    feedForward: mixture === undefined || mixture.denseLayers?.includes(layer) === true ? feedForward(hidden) : experts(mixture),
    ...(normPlacement === 'pre' ? {} : { feedForwardOutputNorm: norm() }),
  })
  return {
    embedding: { weight: new WeightSpec([vocabSize, width], 'normal') },
    ...(config.positions === 'learned' ? { positions: { weight: new WeightSpec([config.context, width], 'normal') } } : {}),
    blocks: Array.from({ length: config.layers }, block),
    norm: norm(),
    ...(config.tied ? {} : { head: { weight: new WeightSpec([vocabSize, width], 'normal') } }),
  }
}

/** The leaves of a record of weights by dotted path, such as `blocks.0.attention.query.weight`. */
export const namedWeights = <Leaf>(weights: DecoderWeights<Leaf, Matrix<Leaf>>): Map<string, Leaf> =>
  flattenTree<Leaf>(weights as unknown as Tree<Leaf>)

/** A record of weights with each leaf replaced. */
export const mapWeights = <From, To>(
  weights: DecoderWeights<From, Matrix<From>>,
  map: (leaf: From, path: string) => To,
): DecoderWeights<To> => mapTree(weights, (leaf, path) => map(leaf as From, path)) as DecoderWeights<To>

/** Frees every weight. */
export function disposeWeights(weights: AnyDecoderWeights): void {
  forEachLeaf(weights, (leaf) => (leaf as Tensor).dispose())
}

/**
 * Checks that a record has exactly the weights of a configuration, with their shapes. Errors: WEIGHTS, naming what is missing, unknown
 * or of another shape.
 */
export function checkWeights(weights: AnyDecoderWeights, config: DecoderConfig): void {
  const specs = namedWeights(weightSpecs(config))
  const given = namedWeights(weights)
  for (const [name, { shape }] of specs) {
    const weight = given.get(name)
    if (weight === undefined && given.has(`${name}.packed`) && isPackable(name, shape)) {
      checkPacked(name, given, shape)
      continue
    }
    if (weight === undefined)
      throw new TransformerError(
        'WEIGHTS',
        `weight '${name}' [${shape.join(', ')}] is missing; the configuration calls for ${specs.size} weights, ${given.size} were given`,
      )
    if (weight.shape.length !== shape.length || weight.shape.some((dim, i) => dim !== shape[i]))
      throw new TransformerError(
        'WEIGHTS',
        `weight '${name}' has shape ${describeShape(weight)}; the configuration calls for [${shape.join(', ')}]`,
      )
  }
  for (const name of given.keys())
    if (!specs.has(name) && !isPartOfPacked(name, specs, given))
      throw new TransformerError(
        'WEIGHTS',
        `weight '${name}' is not part of this configuration; check tied, bias, positions and activation`,
      )
}

/** How matrices of named weights are packed; undefined for those that are whole. */
export const layoutsOf =
  (named: ReadonlyMap<string, Tensor>) =>
  (name: string, shape: readonly number[]): (NonNullable<ReturnType<typeof layoutOf>> & { readonly hasMins: boolean }) | undefined => {
    const packed = named.get(`${name}.packed`)
    const layout = packed === undefined ? undefined : layoutOf(packed.shape as readonly number[], shape.at(-1)!)
    return layout === undefined ? undefined : { ...layout, hasMins: named.has(`${name}.mins`) }
  }

/** Whether a name is that of packed values, scales or minimums of a matrix. */
function isPartOfPacked(name: string, specs: ReadonlyMap<string, WeightSpec>, given: ReadonlyMap<string, Tensor>): boolean {
  const [, whole] = /^(.+)\.(?:packed|scales|mins)$/.exec(name) ?? []
  return whole !== undefined && specs.has(whole) && given.has(`${whole}.packed`)
}

function checkPacked(name: string, given: ReadonlyMap<string, Tensor>, shape: readonly number[]): void {
  const packed = given.get(`${name}.packed`)!
  const [lead, columns] = [shape.slice(0, -1), shape.at(-1)!]
  const hasLead = ({ shape: own }: Tensor): boolean => lead.every((size, axis) => own[axis] === size)
  const layout = layoutOf(packed.shape as readonly number[], columns)
  if (packed.rank !== shape.length + 1 || !hasLead(packed) || layout === undefined || packed.dtype !== 'u8')
    throw new TransformerError(
      'WEIGHTS',
      `weight '${name}' is packed as ${packed.dtype} ${describeShape(packed)}; the configuration calls for [${shape.join(', ')}], which is u8 [${lead.join(', ')}, ${columns}/block, block · bits/8] for blocks of 16 or 32 and 4 or 8 bits`,
    )
  for (const part of ['scales', 'mins']) {
    const own = given.get(`${name}.${part}`)
    if (own === undefined && part === 'mins') continue
    if (own?.dtype !== 'f32' || own.rank !== shape.length || !hasLead(own) || own.shape.at(-1) !== columns / layout.block)
      throw new TransformerError(
        'WEIGHTS',
        `weight '${name}.${part}' is ${own === undefined ? 'missing' : `${own.dtype} ${describeShape(own)}`}; expected f32 [${[...lead, columns / layout.block].join(', ')}], one for each block`,
      )
  }
}

const describeShape = (weight: Tensor): string => `[${weight.shape.map((dim) => (typeof dim === 'number' ? dim : dim.name)).join(', ')}]`
