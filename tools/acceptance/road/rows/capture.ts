// Bar 8, first half: a forward pass that shows its attention computes the logits of the usual one.
import { resolveDevice, tensor, toOnnx, type Tensor } from '@tesserae/tensor'
import {
  createModel,
  disposeRotary,
  disposeWeights,
  forward,
  gpt2,
  initWeights,
  mapWeights,
  rotaryTables,
  type LoadedModel,
} from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { dataFile } from '../../lib/data.js'
import { atMost, type Row, type RowSource } from '../../lib/row.js'

const limit = 1e-5

const source: RowSource = async () => {
  const config = gpt2({ vocabSize: 512, width: 128, layers: 4, heads: 4, context: 512 })
  const models: [string, () => Promise<LoadedModel>][] = [
    ['stories260K', () => loadCheckpoint(dataFile('stories260K.bin'))],
    ['a GPT-2 of 4 layers', () => Promise.resolve({ config, weights: initWeights(config, { seed: 1 }) })],
  ]
  const rows: Row[] = []
  for (const [label, load] of models) {
    const model = await load()
    // Weights that a device has taken stay there, so the reference gets its own.
    const copy = await load()
    const exact = { config: copy.config, weights: mapWeights(copy.weights, (weight: Tensor) => weight.cast('f64')) }
    rows.push(...(await compare(label, model, exact, 64)))
    // From 384 tokens on ONNX Runtime's GroupQueryAttention is the faster way, so only there is a fused kernel to agree with.
    rows.push(...(await compare(label, model, exact, 400)))
    disposeWeights(model.weights)
    disposeWeights(copy.weights)
  }
  return rows
}
export default source

async function compare(label: string, { config, weights }: LoadedModel, exact: LoadedModel, tokens: number): Promise<Row[]> {
  const device = await resolveDevice('cpu')
  const rotary = config.positions === 'rotary' ? rotaryTables(config) : undefined
  const options = { config, ...(rotary === undefined ? {} : { rotary }) }
  using model = await createModel({ config, weights, borrowWeights: true, device })
  const sequence = Int32Array.from([1, ...(await model.generate([1], { maxTokens: tokens - 1 })).ids])
  using ids = tensor(sequence, { shape: [1, tokens] })
  const usual = forward(weights, ids, options)
  const kernel = Buffer.from(await toOnnx([usual])).includes('GroupQueryAttention')
  const fused = await usual.data({ device })
  const captured = forward(weights, ids, { ...options, capture: ['attention'] })
  const logits = await captured.logits.data({ device })
  const attention = await Promise.all(captured.attention.map((layer) => layer.data({ device })))
  const truth = await inDoublePrecision(exact, sequence)
  const off = widgetDifference(attention, await model.attention(sequence), tokens)
  if (rotary !== undefined) disposeRotary(rotary)
  const way = kernel ? 'GroupQueryAttention' : 'no fused kernel is used at this length'
  const asExpected = off <= 1e-4 && kernel === tokens >= 384
  const largest = furthest(fused, new Float32Array(fused.length))
  const worst = Math.max(...attention.map((layer, i) => furthest(layer, truth.attention[i]!)))
  return [
    atMost(
      `${label}, ${tokens} tokens: logits with captured attention against the usual ones`,
      asExpected ? furthest(logits, fused) : NaN,
      limit,
      {
        digits: 8,
        note:
          `absolute; ${device.description}, ${way}; the same in double precision is ${furthest(fused, truth.logits).toExponential(1)} away ` +
          `(float32's rounding, largest logit ${largest.toFixed(1)}); model.attention() and its row sums off by ${off.toExponential(1)}`,
      },
    ),
    atMost(`${label}, ${tokens} tokens: captured attention against the same in double precision`, worst, limit, {
      digits: 8,
      note: `${attention.length} layers of ${config.heads} heads, all probabilities; by the reference interpreter`,
    }),
  ]
}

/** Logits and attention of the same weights in f64. */
async function inDoublePrecision(
  { config, weights }: LoadedModel,
  sequence: Int32Array,
): Promise<{ readonly logits: ArrayLike<number>; readonly attention: readonly ArrayLike<number>[] }> {
  const device = await resolveDevice('reference')
  const rotary = config.positions === 'rotary' ? rotaryTables(config, { dtype: 'f64' }) : undefined
  const ids = tensor(sequence, { shape: [1, sequence.length] })
  const { logits, attention } = forward(weights, ids, { config, ...(rotary === undefined ? {} : { rotary }), capture: ['attention'] })
  return {
    logits: (await logits.data({ device })) as Float64Array,
    attention: await Promise.all(attention.map(async (layer) => (await layer.data({ device })) as Float64Array)),
  }
}

function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!))
  return most
}

/** How far what the attention widget is given is from what was captured, and its rows from summing to 1. */
function widgetDifference(captured: readonly ArrayLike<number>[], layers: readonly Float32Array[], tokens: number): number {
  let off = layers.length === captured.length ? 0 : Infinity
  for (const [i, layer] of layers.entries()) {
    off = Math.max(off, furthest(layer, captured[i]!))
    for (let row = 0; row < layer.length; row += tokens) {
      const sum = layer.subarray(row, row + tokens).reduce((a, b) => a + b, 0)
      off = Math.max(off, Math.abs(1 - sum))
    }
  }
  return off
}
