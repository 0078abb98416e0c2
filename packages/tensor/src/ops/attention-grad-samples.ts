/** What attention's backward pass is tested on: the sums and products of a forward pass, without which its inputs make no sense. */
import type { Attrs } from '../graph/node.js'
import { attentionSamples } from './attention-samples.js'
import { referenceAttention, type AttentionAttrs } from './attention.js'
import type { RefTensor, Sample, SampleInput } from './row.js'

const counted = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
const numbers = (shape: readonly number[], step: number): number[] =>
  Array.from({ length: counted(shape) }, (_, i) => Math.fround(1.5 * Math.sin(step * i + step)))

function sampleOf({ name, inputs, attrs = {} }: Sample): Sample {
  const [q, k, , mask] = inputs as readonly [SampleInput, SampleInput, SampleInput, SampleInput | undefined]
  const data = [q, k, k].map(({ shape }, i) => ({ shape, values: numbers(shape, 0.7 + 0.3 * i) }))
  const bias = mask === undefined ? [] : [{ ...mask, values: mask.values ?? numbers(mask.shape, 0.4) }]
  const tensors = [...data, ...bias].map(
    ({ shape, values, ...rest }): RefTensor => ({ dtype: 'f64', ...rest, shape, data: Float64Array.from(values) }) as RefTensor,
  )
  // Rounded once, to what a sample holds.
  const wide = { shape: q.shape, dtype: 'f64' } as const
  const [out, sums] = referenceAttention({ inputs: tensors, outputs: [wide, wide], attrs: attrs as AttentionAttrs })
  const gradient = numbers(q.shape, 1.9)
  const width = q.shape[3]!
  const delta = Array.from(sums, (_, row) => {
    let sum = 0
    for (let w = 0; w < width; w++) sum += out[row * width + w]! * gradient[row * width + w]!
    return sum
  })
  const perQuery = q.shape.slice(0, 3)
  return {
    name,
    inputs: [
      ...data,
      { shape: q.shape, values: gradient },
      { shape: perQuery, values: [...sums] },
      { shape: perQuery, values: delta },
      ...bias,
    ],
    attrs: attrs as Attrs,
    gradient: false,
  }
}

const chosen = [
  'plain',
  'causal',
  'causal, longer keys',
  'causal, longer queries',
  'grouped',
  'window',
  'soft cap and mask',
  'length',
  'bias by head',
  'odd sizes',
]

/** Worked out where they are asked for. */
export const attentionGradSamples = (): readonly Sample[] => attentionSamples.filter(({ name }) => chosen.includes(name)).map(sampleOf)
