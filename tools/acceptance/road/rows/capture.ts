// Bar 8, first half: a forward pass that shows its attention computes the logits of the usual one.
import { resolveDevice, tensor, toOnnx } from '@tesserae/tensor'
import {
  createModel,
  disposeRotary,
  disposeWeights,
  forward,
  gpt2,
  initWeights,
  rotaryTables,
  type LoadedModel,
} from '@tesserae/transformer'
import { loadLlama2c } from '@tesserae/transformer/node'
import { dataFile } from '../../lib/data.js'
import { atMost, type Row, type RowSource } from '../../lib/row.js'

const limit = 1e-5

const source: RowSource = async () => {
  const config = gpt2({ vocabSize: 512, width: 128, layers: 4, heads: 4, context: 512 })
  const models: [string, LoadedModel][] = [
    ['stories260K', await loadLlama2c(dataFile('stories260K.bin'))],
    ['a GPT-2 of 4 layers', { config, weights: initWeights(config, { seed: 1 }) }],
  ]
  const rows: Row[] = []
  for (const [label, model] of models) {
    rows.push(await compare(label, model, 64))
    // From 384 tokens on ONNX Runtime's GroupQueryAttention is the faster way, so only there is a fused kernel to agree with.
    rows.push(await compare(label, model, 400))
    disposeWeights(model.weights)
  }
  return rows
}
export default source

async function compare(label: string, { config, weights }: LoadedModel, tokens: number): Promise<Row> {
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
  let worst = 0
  let largest = 1
  for (let i = 0; i < fused.length; i++) {
    worst = Math.max(worst, Math.abs(fused[i]! - logits[i]!))
    largest = Math.max(largest, Math.abs(fused[i]!))
  }
  const off = await widgetDifference(captured.attention, await model.attention(sequence), tokens)
  if (rotary !== undefined) disposeRotary(rotary)
  const way = kernel ? 'GroupQueryAttention against products and a softmax' : 'no fused kernel is used at this length'
  const note = `${device.description}, ${way}; absolute ${worst.toExponential(1)}, largest logit ${largest.toFixed(1)}; model.attention() and its row sums off by ${off.toExponential(1)}`
  const bad = off > 1e-4 || kernel !== tokens >= 384
  const figure = `${label}, ${tokens} tokens: logits with captured attention against the usual ones, as a share of the largest logit (or of 1)`
  return atMost(figure, bad ? NaN : worst / largest, limit, { digits: 8, note })
}

/** How far what the attention widget is given is from what was captured, and its rows from summing to 1. */
async function widgetDifference(
  captured: readonly { data(): Promise<ArrayLike<number>> }[],
  layers: readonly Float32Array[],
  tokens: number,
): Promise<number> {
  let off = layers.length === captured.length ? 0 : Infinity
  for (const [i, layer] of layers.entries()) {
    const values = await captured[i]!.data()
    layer.forEach((value, at) => (off = Math.max(off, Math.abs(value - values[at]!))))
    for (let row = 0; row < layer.length; row += tokens) {
      const sum = layer.subarray(row, row + tokens).reduce((a, b) => a + b, 0)
      off = Math.max(off, Math.abs(1 - sum))
    }
  }
  return off
}
