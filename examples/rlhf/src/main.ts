/**
 * Alignment in a few seconds: a tiny model learns to answer with letters, then to prefer the letter a. `npx tsx --conditions=@tesserae/source
 * examples/rlhf/src/main.ts` runs it; the quickstart walks the same road with a book and conversations.
 */
import { pathToFileURL } from 'node:url'
import { random } from '@tesserae/core'
import {
  chatTemplate,
  collectRollout,
  dpo,
  evaluateReward,
  evaluateSft,
  modelReward,
  ppo,
  preparePreferences,
  prepareSft,
  renderPrompt,
  rewardScorer,
  sft,
  stopToken,
  trainReward,
  type PolicyModel,
  type PreferenceRow,
  type SftRow,
} from '@tesserae/rlhf'
import { trainBpe } from '@tesserae/tokenizer'
import { createBatchGenerator, initWeights, llama, mapWeights, namedWeights, type DecoderWeights } from '@tesserae/transformer'

const letters = ['a', 'b', 'c', 'd']
const prompts = ['some letters please', 'give me letters', 'letters']

/** What everything is about: the share of a among an answer's letters. */
const goodness = (text: string): number => (text === '' ? 0 : [...text].filter((letter) => letter === 'a').length / text.length)

/** What came out of each stage. */
export interface Figures {
  /** Loss on held-out conversations. */
  readonly sft: { readonly before: number; readonly after: number }
  /** Share of held-out pairs ordered right. */
  readonly reward: { readonly before: number; readonly after: number }
  /** Share of a in sampled answers. */
  readonly goodness: { readonly sft: number; readonly dpo: number; readonly ppo: number }
  /** Mean over the last steps of PPO, nats an answer. */
  readonly kl: number
}

export async function align(options: {
  readonly seed: number
  readonly log?: (line: string) => void
  readonly signal?: AbortSignal
}): Promise<Figures> {
  const { seed, log = () => {}, signal } = options
  const abort = signal === undefined ? {} : { signal }
  const draws = random(seed)
  const template = chatTemplate({ user: '<|user|>', assistant: '<|assistant|>', end: '<|end|>' })
  const tokenizer = await trainBpe(prompts, { vocabSize: 280, specialTokens: [template.user, template.assistant, template.end] })
  const prepare = { tokenizer, template, maxLength: 48 }
  const config = llama({ vocabSize: tokenizer.vocabSize, width: 32, layers: 2, heads: 2, context: 48 })

  /** A prompt with 3 to 6 letters, all equally likely. */
  const conversation = (stream = draws): SftRow & { prompt: string; completion: string } => ({
    prompt: stream.choice(prompts),
    completion: Array.from({ length: 3 + stream.int(4) }, () => stream.choice(letters)).join(''),
  })

  // Fine-tuning: learn the masked tokens of conversations, here from weights that have seen nothing.
  const rows = Array.from({ length: 300 }, () => conversation())
  const data = prepareSft(rows.slice(0, 260), prepare)
  const held = prepareSft(rows.slice(260), prepare)
  const start = initWeights(config, { seed })
  const before = await evaluateSft(start, held, { config, ...abort })
  const tuning = sft({ policy: { config, weights: start }, data, rows: 16, epochs: 10, learningRate: 5e-3, seed, ...abort })
  for await (const { index, steps, metrics } of tuning) if (index % 40 === 0) log(`sft ${index}/${steps}: loss ${metrics.loss.toFixed(3)}`)
  const policy: PolicyModel = { config, weights: tuning.release() }
  const after = await evaluateSft(policy.weights, held, { config, ...abort })
  log(`sft: loss on held-out conversations ${before.loss.toFixed(3)} → ${after.loss.toFixed(3)}`)

  // Preferences: of two answers, the one with more of the letter a.
  const preferences: PreferenceRow[] = []
  while (preferences.length < 300) {
    const [one, other] = [conversation(), conversation()]
    const difference = goodness(one.completion) - goodness(other.completion)
    if (difference === 0) continue
    const [chosen, rejected] = difference > 0 ? [one, other] : [other, one]
    preferences.push({ prompt: one.prompt, chosen: chosen.completion, rejected: rejected.completion })
  }
  const pairs = preparePreferences(preferences.slice(0, 250), prepare)
  const heldPairs = preparePreferences(preferences.slice(250), prepare)

  // The reward model: a copy of the policy that scores an answer at its last token.
  const judging = trainReward({
    policy: { config, weights: await copy(policy.weights) },
    data: pairs,
    rows: 16,
    epochs: 6,
    learningRate: 2e-3,
    seed,
    ...abort,
  })
  const untrained = await evaluateReward({ config, ...judging.weights }, heldPairs, abort)
  for await (const { index, steps, metrics } of judging)
    if (index % 25 === 0) log(`reward ${index}/${steps}: loss ${metrics.loss.toFixed(3)}`)
  const judge = { config, ...judging.release() }
  const trained = await evaluateReward(judge, heldPairs, abort)
  log(`reward: orders ${percent(untrained.accuracy)} → ${percent(trained.accuracy)} of held-out pairs right`)

  // DPO learns from the pairs directly.
  const direct = dpo({
    policy: { config, weights: await copy(policy.weights) },
    data: pairs,
    rows: 16,
    epochs: 4,
    learningRate: 1e-3,
    seed,
    ...abort,
  })
  for await (const { index, steps, metrics } of direct) if (index % 25 === 0) log(`dpo ${index}/${steps}: loss ${metrics.loss.toFixed(3)}`)
  using scorer = rewardScorer(judge)
  log(`the judge gives ${(await scorer.score(data.slice(0, 1)))[0]!.toFixed(2)} to ${JSON.stringify(rows[0]!.completion)}`)

  // PPO samples answers, has them scored, and moves towards those that score high, held back by the KL penalty.
  const stop = [stopToken({ tokenizer, template })]
  const ids = prompts.map((prompt) => renderPrompt([{ role: 'user', content: prompt }], { tokenizer, template }))
  using reward = modelReward(judge)
  const aligning = ppo({
    policy: { config, weights: await copy(policy.weights) },
    reward,
    prompts: ids,
    tokenizer,
    steps: 20,
    rows: 32,
    maxTokens: 8,
    stop,
    missingEosPenalty: 1,
    learningRate: 1e-3,
    kl: 0.05,
    epochs: 2,
    minibatches: 2,
    seed,
    ...abort,
  })
  const kl: number[] = []
  for await (const { index, steps, metrics } of aligning) {
    kl.push(metrics.kl)
    if (index % 5 === 0) log(`ppo ${index}/${steps}: reward ${metrics.reward.toFixed(2)}, KL ${metrics.kl.toFixed(2)}`)
  }

  const measure = async (weights: DecoderWeights): Promise<number> => {
    using generator = createBatchGenerator({ config, rows: 64 })
    const each = Array.from({ length: 64 }, () => ids[0]!)
    const { samples } = await collectRollout(generator, weights, each, { maxTokens: 8, stop, tokenizer, seed: 'measure', ...abort })
    return samples.reduce((sum, { completionText }) => sum + goodness(completionText!), 0) / samples.length
  }
  const figures = {
    sft: await measure(policy.weights),
    dpo: await measure(direct.release()),
    ppo: await measure(aligning.release().policy as DecoderWeights),
  }
  log(
    `share of the letter a: ${percent(figures.sft)} after fine-tuning, ${percent(figures.dpo)} after DPO, ${percent(figures.ppo)} after PPO`,
  )
  return {
    sft: { before: before.loss, after: after.loss },
    reward: { before: untrained.accuracy, after: trained.accuracy },
    goodness: figures,
    kl: kl.slice(-3).reduce((sum, value) => sum + value, 0) / 3,
  }
}

/** Trainers take their weights over; what is still needed is copied. */
async function copy(weights: DecoderWeights): Promise<DecoderWeights> {
  const copies = new Map(await Promise.all([...namedWeights(weights)].map(async ([name, weight]) => [name, await weight.clone()] as const)))
  return mapWeights(weights, (_, name) => copies.get(name)!)
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const start = performance.now()
  await align({ seed: 1, log: (line) => console.log(line) })
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`)
}
