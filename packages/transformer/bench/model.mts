// Milliseconds of a training step and of generation for a small GPT-2 and a small Llama:
//   npx tsx --conditions=@tesserae/source packages/transformer/bench/model.mts [cpu|reference]
import { resolveDevice, type DeviceName } from '@tesserae/tensor'
import {
  countParameters,
  createModel,
  flopsPerToken,
  gpt2,
  initWeights,
  llama,
  randomWindows,
  train,
  type DecoderConfig,
} from '@tesserae/transformer'

const device = await resolveDevice((process.argv[2] ?? 'cpu') as DeviceName)
const sizes = { vocabSize: 512, width: 128, layers: 4, heads: 4, context: 256 }
const window = { rows: 12, length: 64 }
const steps = 40
const tokens = Int32Array.from({ length: 10_000 }, (_, i) => (i * 7919 + (i >> 3)) % sizes.vocabSize)

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function measure(config: DecoderConfig): Promise<Record<string, string>> {
  const run = train({
    config,
    weights: initWeights(config, { seed: 1 }),
    data: randomWindows(tokens, { ...window, seed: 1 }),
    steps,
    device,
  })
  const seconds: number[] = []
  for await (const event of run) if (event.step > 5) seconds.push(event.seconds)
  const step = median(seconds)
  using model = await createModel({ config, weights: run.release(), device })
  const prompt = Array.from(tokens.subarray(0, 100))
  await model.generate(prompt, { maxTokens: 20 })
  const { prefillSeconds, decodeSeconds, ids } = await model.generate(prompt, { maxTokens: 150 })
  return {
    parameters: `${(countParameters(config).total / 1e6).toFixed(2)}M`,
    'training step, ms': (1000 * step).toFixed(1),
    'GFLOP/s': ((flopsPerToken(config, { tokens: window.length, training: true }) * window.rows * window.length) / step / 1e9).toFixed(0),
    '100 prompt tokens, ms': (1000 * prefillSeconds).toFixed(1),
    'decode, tokens/s': ((ids.length - 1) / decodeSeconds).toFixed(0),
  }
}

console.log(device.description)
console.table({
  'GPT-2': await measure(gpt2({ ...sizes, bias: false })),
  'Llama, 2 key heads': await measure(llama({ ...sizes, kvHeads: 2 })),
})
process.exit(0)
