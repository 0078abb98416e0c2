// Tokens a second and bytes of a random model of GPT-2's shape, its weights in f32, 8 and 4 bits:
//   npx tsx --conditions=@tesserae/source packages/transformer/bench/quantised.mts [layers]
import { createModel, gpt2, initWeights, modelMemory, packedLayout, quantize } from '@tesserae/transformer'

const config = gpt2({ vocabSize: 50_257, width: 768, layers: Number(process.argv[2] ?? 12), heads: 12, context: 1024 })
const prompt = Array.from({ length: 128 }, (_, i) => (i * 7919) % config.vocabSize)

async function measure(type: 'q8_0' | 'q4_0' | undefined): Promise<Record<string, string>> {
  const whole = { config, weights: initWeights(config, { seed: 1 }) }
  const layout = type === undefined ? {} : { layout: packedLayout(type === 'q8_0' ? 8 : 4) }
  const bytes = modelMemory(config, layout).weights.reduce((sum, weight) => sum + weight.bytes, 0)
  const model = await createModel({ ...(type === undefined ? whole : await quantize(whole, { type })), device: 'cpu', capacity: 512 })
  await model.generate(prompt, { maxTokens: 8 })
  const { prefillSeconds, decodeSeconds, ids } = await model.generate(prompt.toReversed(), { maxTokens: 64 })
  model.dispose()
  return {
    'weights, MiB': (bytes / 2 ** 20).toFixed(0),
    '128 prompt tokens, ms': (1000 * prefillSeconds).toFixed(0),
    'decode, tokens/s': ((ids.length - 1) / decodeSeconds).toFixed(1),
  }
}

console.table({ f32: await measure(undefined), '8 bits': await measure('q8_0'), '4 bits': await measure('q4_0') })
process.exit(0)
