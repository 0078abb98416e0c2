// Milliseconds and tokens a second of a step of fine-tuning, reward model and DPO and of an iteration of PPO, for a small GPT-2:
//   npx tsx --conditions=@tesserae/source packages/rlhf/bench/trainers.mts [cpu|reference]
// No library of JavaScript does the same; beside PyTorch and TRL it is measured by `npm run acceptance -- road --only peers`.
import { random } from '@tesserae/core'
import { dpo, ppo, sft, trainReward, type Rendered, type RenderedPair } from '@tesserae/rlhf'
import { resolveDevice, type DeviceName } from '@tesserae/tensor'
import { countParameters, gpt2, initWeights } from '@tesserae/transformer'

const device = await resolveDevice((process.argv[2] ?? 'cpu') as DeviceName)
const config = gpt2({ vocabSize: 512, width: 128, layers: 4, heads: 4, context: 64 })
const [promptLength, rows, warmUp, steps] = [16, 8, 5, 40]

const draw = random(1).stream('words')
const words = (length: number): number[] => Array.from({ length }, () => draw.int(config.vocabSize))
const policy = () => ({ config, weights: initWeights(config, { seed: 1 }) })

/** A prompt of 16 tokens and an answer that fills the context. */
function answered(prompt: readonly number[]): Rendered {
  const ids = Int32Array.from([...prompt, ...words(config.context - prompt.length)])
  return { ids, mask: Uint8Array.from(ids, (_, i) => (i < prompt.length ? 0 : 1)) }
}
const conversations = Array.from({ length: 128 }, () => answered(words(promptLength)))
const pairs = Array.from({ length: 128 }, (): RenderedPair => {
  const prompt = words(promptLength)
  return { chosen: answered(prompt), rejected: answered(prompt) }
})

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

interface Timed {
  readonly index: number
  readonly seconds: number
}

/** @param tokens that go through the model in a step, or are sampled in an iteration */
async function measure(run: AsyncIterable<Timed> & Disposable, tokens: number): Promise<Record<string, string>> {
  using _ = run
  const seconds: number[] = []
  for await (const step of run) if (step.index > warmUp) seconds.push(step.seconds)
  const step = median(seconds)
  return { ms: (1000 * step).toFixed(1), 'tokens/s': (tokens / step).toFixed(0) }
}

const common = { rows, steps: warmUp + steps, seed: 1, device }
const perRow = config.context
console.log(`${device.description}, ${(countParameters(config).total / 1e6).toFixed(2)}M parameters, rows of ${perRow} tokens`)
console.table({
  [`SFT, ${rows} rows`]: await measure(sft({ ...common, policy: policy(), data: conversations }), rows * perRow),
  [`reward model, ${rows} pairs`]: await measure(trainReward({ ...common, policy: policy(), data: pairs }), 2 * rows * perRow),
  [`DPO, ${rows} pairs`]: await measure(dpo({ ...common, policy: policy(), data: pairs }), 2 * rows * perRow),
  'PPO, 32 samples of 48, 4 × 4 updates': await measure(
    ppo({
      policy: policy(),
      reward: ({ completion }) => completion.filter((word) => word % 2 === 0).length / completion.length,
      prompts: Array.from({ length: 64 }, () => words(promptLength)),
      rows: 32,
      maxTokens: config.context - promptLength,
      epochs: 4,
      minibatches: 4,
      steps: warmUp + 10,
      seed: 1,
      device,
    }),
    32 * (config.context - promptLength),
  ),
})
process.exit(0)
