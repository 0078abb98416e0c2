/** What attention is tested on. */
import type { DType } from '../dtype.js'
import type { Attrs } from '../graph/node.js'
import type { Sample, SampleInput } from './row.js'

interface Layout {
  readonly batch?: number
  readonly heads?: number
  readonly keyHeads?: number
  readonly tokens: number
  readonly keys: number
  readonly width?: number
  readonly dtype?: DType
  readonly mask?: SampleInput
}

function sample(name: string, layout: Layout, attrs: Attrs = {}, gradient?: boolean): Sample {
  const { batch = 2, heads = 2, keyHeads = heads, tokens, keys, width = 4, dtype = 'f32', mask } = layout
  const q = { shape: [batch, heads, tokens, width], dtype }
  const kv = { shape: [batch, keyHeads, keys, width], dtype }
  return {
    name,
    inputs: mask === undefined ? [q, kv, kv] : [q, kv, kv, mask],
    attrs: { causal: false, scale: 1 / Math.sqrt(width), ...attrs },
    ...(gradient === undefined ? {} : { gradient }),
  }
}

const square = { tokens: 5, keys: 5 }
const causal = { causal: true }
/** Row 1 of a [3, 4] mask hides everything. */
const holes: SampleInput = { shape: [3, 4], dtype: 'bool', values: [1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1] }
const bias = (shape: readonly number[], dtype: DType = 'f32'): SampleInput => ({ shape, dtype, range: [-1, 1] })

export const attentionSamples: readonly Sample[] = [
  sample('plain', square),
  sample('cross', { tokens: 3, keys: 7 }),
  sample('causal', square, causal),
  sample('causal, longer keys', { tokens: 3, keys: 7 }, causal),
  sample('causal, longer queries', { tokens: 6, keys: 4 }, causal),
  sample('causal, one query', { tokens: 1, keys: 7 }, causal),
  sample('grouped', { ...square, heads: 6, keyHeads: 2 }, causal),
  sample('one key head', { tokens: 4, keys: 6, heads: 4, keyHeads: 1, width: 3 }, causal),
  sample('window', { tokens: 7, keys: 7 }, { causal: true, window: 3 }),
  sample('window of one', square, { causal: true, window: 1 }),
  sample('window, longer keys', { tokens: 3, keys: 9, heads: 4, keyHeads: 2 }, { causal: true, window: 4 }),
  sample('window, one query', { tokens: 1, keys: 9 }, { causal: true, window: 4 }),
  sample('soft cap', square, { causal: true, softcap: 1.5 }),
  sample('soft cap and mask', { tokens: 3, keys: 4, mask: holes }, { softcap: 2 }),
  sample('length', { tokens: 3, keys: 8 }, { length: 5 }),
  sample('length, causal', { tokens: 3, keys: 8 }, { causal: true, length: 5 }),
  sample('length, causal, window', { tokens: 3, keys: 8, heads: 4, keyHeads: 2 }, { causal: true, length: 6, window: 2 }),
  sample('length below queries', { tokens: 4, keys: 8 }, { causal: true, length: 2 }),
  sample('length 0', { tokens: 2, keys: 4 }, { length: 0 }),
  sample('full length', { tokens: 3, keys: 5 }, { causal: true, length: 5 }),
  sample('bool mask', { tokens: 3, keys: 4, mask: holes }),
  sample('padding mask', { tokens: 3, keys: 4, mask: { shape: [2, 1, 1, 4], dtype: 'bool', values: [1, 1, 0, 0, 1, 1, 1, 1] } }, causal),
  sample('bias', { tokens: 3, keys: 4, mask: bias([3, 4]) }),
  sample('bias by head', { ...square, heads: 4, keyHeads: 2, mask: bias([4, 1, 5]) }, causal),
  sample(
    'bias with infinities',
    { tokens: 2, keys: 3, mask: { shape: [2, 3], values: [0, -Infinity, 0.5, -Infinity, -Infinity, -Infinity] } },
    {},
    false,
  ),
  sample('large scores', square, { causal: true, scale: 100 }, false),
  sample('odd sizes', { batch: 1, heads: 3, keyHeads: 3, tokens: 17, keys: 17, width: 9 }, causal, false),
  sample('no queries', { tokens: 0, keys: 4 }),
  sample('no keys', { tokens: 3, keys: 0 }),
  sample('no batch', { ...square, batch: 0 }, causal),
  sample('f16', { ...square, dtype: 'f16' }, causal),
  sample('f16 bias', { ...square, dtype: 'f16', mask: bias([5, 5], 'f16') }),
  sample('bf16 grouped', { ...square, heads: 4, keyHeads: 2, dtype: 'bf16' }, causal),
]
