/** Token embeddings. */
import { emit } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import { gather, scatterAdd } from '../graph/primitives.js'
import { checkFloat, checkIndices } from './check.js'
import { defineOp, type OpRow } from './row.js'
import { checkCount, checkRank, zerosLike } from './wide.js'

/** Rows of a table: table [V, D], integer ids of any shape → [...ids, D]. */
export const embedding = (table: Value, ids: Value): Value => emit('embedding', [table, ids])

const embeddingOp = defineOp({
  name: 'embedding',
  kind: 'composite',
  summary: 'Rows of a table [V, D] at integer ids of any shape: [...ids, D]. Ids outside 0 to V − 1 are clamped.',
  infer: (inputs) => {
    checkCount('embedding', inputs, 2, 2, 'table, ids')
    const [table, ids] = inputs
    checkFloat('embedding', table!)
    checkRank('embedding', 'table', table!, 2, '[V, D]')
    checkIndices('embedding', ids!)
    return [{ shape: [...ids!.shape, table!.shape[1]!], dtype: table!.dtype }]
  },
  decompose: ([table, ids]) => [gather(table!, ids!, 0)],
  vjp: ({ inputs: [table, ids], grads }) => [scatterAdd(zerosLike(table!), ids!, grads[0]!, 0), undefined],
  samples: [
    { name: 'tokens', inputs: [{ shape: [7, 4] }, { shape: [2, 3], dtype: 'i32', values: [0, 6, 3, 3, 1, 3] }] },
    { name: 'one token', inputs: [{ shape: [7, 4] }, { shape: [], dtype: 'i32', values: [5] }] },
    { name: 'u32 ids', inputs: [{ shape: [3, 5] }, { shape: [4], dtype: 'u32', values: [2, 2, 0, 1] }] },
    { name: 'clamped', inputs: [{ shape: [3, 2] }, { shape: [2], dtype: 'i32', values: [-4, 9] }] },
    { name: 'no tokens', inputs: [{ shape: [3, 2] }, { shape: [0], dtype: 'i32' }] },
    {
      name: 'f16',
      inputs: [
        { shape: [4, 3], dtype: 'f16' },
        { shape: [3], dtype: 'i32', values: [3, 0, 0] },
      ],
    },
    {
      name: 'bf16',
      inputs: [
        { shape: [4, 3], dtype: 'bf16' },
        { shape: [3], dtype: 'i32', values: [3, 0, 0] },
      ],
    },
  ],
})

export const embeddingOps: readonly OpRow[] = [embeddingOp]
