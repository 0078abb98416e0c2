import { tensor } from '@tesserae/tensor'
import { collate, collatedTensors } from '../data/collate.js'
import type { RenderedPair } from '../data/prepare.js'
import type { Batch } from './run.js'

/** Pairs as one batch of twice as many rows: all chosen answers, then all rejected ones, so that one forward pass serves both. */
export function pairBatch(
  pairs: readonly RenderedPair[],
  { longest, extra = {} }: { readonly longest: number; readonly extra?: Readonly<Record<string, Float32Array>> },
): Batch {
  const examples = [...pairs.map(({ chosen }) => chosen), ...pairs.map(({ rejected }) => rejected)]
  const batch = collate(examples, { longest })
  return {
    tensors: () => ({
      ...collatedTensors(batch),
      ...Object.fromEntries(Object.entries(extra).map(([name, values]) => [name, tensor(values, { shape: [values.length] })])),
    }),
    count: pairs.length,
    tokens: examples.reduce((sum, { ids }) => sum + ids.length, 0),
  }
}
