import { flattenTree, forEachLeaf, type Tensor, type Tree } from '@tesserae/tensor'
import { WeightSpec } from '../architectures/weights.js'
import type { AttentionWeights } from '../layers/attention.js'
import type { EmbeddingWeights } from '../layers/embedding.js'
import type { FeedForwardWeights } from '../layers/feed-forward.js'
import type { LinearWeights } from '../layers/linear.js'
import type { NormWeights } from '../layers/norm.js'
import type { BertConfig } from './config.js'

export interface BertBlockWeights<Leaf = Tensor> {
  /** Absent in the first block of a model whose norms come before. */
  readonly attentionNorm?: NormWeights<Leaf>
  readonly attention: AttentionWeights<Leaf>
  readonly feedForwardNorm: NormWeights<Leaf>
  readonly feedForward: FeedForwardWeights<Leaf>
}

/** All weights of an encoder, nested as the model is. */
export interface BertWeights<Leaf = Tensor> {
  /** [vocabSize, width] */
  readonly embedding: EmbeddingWeights<Leaf>
  /** [context, width]; learned positions only. */
  readonly positions?: EmbeddingWeights<Leaf>
  /** [types, width]; with segments only. */
  readonly types?: EmbeddingWeights<Leaf>
  readonly embeddingNorm: NormWeights<Leaf>
  readonly blocks: readonly BertBlockWeights<Leaf>[]
  /** Behind the last block, where norms come before. */
  readonly norm?: NormWeights<Leaf>
  readonly head?: BertHeadWeights<Leaf>
}

export interface BertHeadWeights<Leaf = Tensor> {
  /** [width, width] */
  readonly dense: LinearWeights<Leaf>
  readonly norm?: NormWeights<Leaf>
  /** [labels, width] */
  readonly output: LinearWeights<Leaf>
}

/** The weights that a configuration calls for. */
export function bertWeightSpecs(config: BertConfig): BertWeights<WeightSpec> {
  const { vocabSize, width, hidden, context, types, head } = config
  const linear = (out: number, into: number, bias: boolean): LinearWeights<WeightSpec> => ({
    weight: new WeightSpec([out, into], 'normal'),
    ...(bias ? { bias: new WeightSpec([out], 'zeros') } : {}),
  })
  const norm = (): NormWeights<WeightSpec> => ({
    weight: new WeightSpec([width], 'ones'),
    ...(config.bias.norm ? { bias: new WeightSpec([width], 'zeros') } : {}),
  })
  const table = (rows: number): EmbeddingWeights<WeightSpec> => ({ weight: new WeightSpec([rows, width], 'normal') })
  const projection = (): LinearWeights<WeightSpec> => linear(width, width, config.bias.attention)
  return {
    embedding: table(vocabSize),
    ...(config.positions === 'learned' ? { positions: table(context) } : {}),
    ...(types === 0 ? {} : { types: table(types) }),
    embeddingNorm: norm(),
    blocks: Array.from({ length: config.layers }, (_, layer) => ({
      ...(config.norms === 'pre' && layer === 0 ? {} : { attentionNorm: norm() }),
      attention: { query: projection(), key: projection(), value: projection(), output: projection() },
      feedForwardNorm: norm(),
      feedForward: {
        up: linear(hidden, width, config.bias.feedForward),
        ...(config.gated ? { gate: linear(hidden, width, config.bias.feedForward) } : {}),
        down: linear(width, hidden, config.bias.feedForward),
      },
    })),
    ...(config.norms === 'pre' ? { norm: norm() } : {}),
    ...(head === undefined
      ? {}
      : {
          head: {
            dense: linear(width, width, head.bias),
            ...(head.norm ? { norm: norm() } : {}),
            output: linear(head.labels, width, true),
          },
        }),
  }
}

/** The leaves by dotted path. */
export const namedBertWeights = <Leaf>(weights: BertWeights<Leaf>): Map<string, Leaf> => flattenTree<Leaf>(weights as unknown as Tree<Leaf>)

/** Frees every weight. */
export function disposeBertWeights(weights: BertWeights): void {
  forEachLeaf(weights, (leaf) => (leaf as Tensor).dispose())
}
