import { join } from 'node:path'
import { random } from '@tesserae/core'
import { collectRollout, modelReward, ppo, scoreSamples, stopToken, type PolicyModel, type PpoStep, type Reward } from '@tesserae/rlhf'
import { loadRewardModel } from '@tesserae/rlhf/node'
import type { Tokenizer } from '@tesserae/tokenizer'
import { createBatchGenerator, type DecoderWeights } from '@tesserae/transformer'
import { loadCheckpoint, saveModel } from '@tesserae/transformer/node'
import { answersTo, conversations, firstQuestions, promptOf, template, textOf } from '../chat.js'
import { chart } from '../chart.js'
import { readJson, writeWhole } from '../files.js'
import { seaWords } from '../rule.js'
import { keptState, runKeeping } from '../resumable.js'
import type { Stage, StageContext } from '../stage.js'
import { progressBar } from '../terminal.js'
import { loadTokenizer } from './tokenizer.js'

/** Answers to each held-out question that a policy is measured on. */
const measured = 4

/** Trains the fine-tuned model to earn reward, held to where it started by a KL penalty. */
export const ppoStage: Stage = {
  name: 'ppo',
  title: 'PPO: the model learns to give answers that are preferred',
  code: 'examples/quickstart/src/stages/ppo.ts',
  needs: ['tokenizer', 'sft', 'reward'],
  inputs: ({ sizes, seed }) => ({ ...sizes.ppo, tokens: sizes.answerTokens, seed, template }),
  async run(context) {
    const { options, ui, signal, folder, from } = context
    const { steps, rows, learningRate, kl } = options.sizes.ppo
    const tokenizer = await loadTokenizer(from('tokenizer'))
    const policy = await loadCheckpoint(from('sft'))
    const { config } = policy
    using reward = modelReward(await loadRewardModel(from('reward')), { rows: 32 })
    const { train, heldOut } = await conversations(options)
    const questions = firstQuestions(heldOut)
    const before = await measure(policy, questions, reward, tokenizer, context)
    const { prompts, longest } = promptsByLength(firstQuestions(train), { tokenizer, rows, seed: options.seed })
    const state = await keptState(context, 'ppo')
    using run = ppo({
      ...(state === undefined ? { policy } : { state }),
      reward,
      prompts,
      tokenizer,
      steps,
      rows,
      maxTokens: options.sizes.answerTokens,
      length: longest + options.sizes.answerTokens,
      stop: [stopToken({ tokenizer, template })],
      learningRate,
      valueLearningRate: 10 * learningRate,
      kl,
      // An answer that never ends was cut off before the reward model's place to look at.
      missingEosPenalty: 1,
      epochs: 2,
      minibatches: 2,
      seed: options.seed,
      signal,
    })
    const curveFile = 'curve.json'
    const curve: Point[] = state === undefined ? [] : await readJson(join(context.interrupted!, curveFile))
    const onStep = ({ index, metrics }: PpoStep): void => {
      curve.push({ reward: metrics.reward, kl: metrics.kl })
      ui.status(
        `   ${progressBar(index, steps)}  step ${index}/${steps}  reward ${metrics.reward.toFixed(2)}  KL ${metrics.kl.toFixed(2)}  ${metrics.tokens.toFixed(0)} tokens  ${(100 * metrics.stopped).toFixed(0)} % ended`,
      )
    }
    try {
      await runKeeping('ppo', run, context, onStep)
    } finally {
      if (signal.aborted) await writeWhole(join(await context.keep(), curveFile), JSON.stringify(curve))
    }
    const aligned: PolicyModel = { config, weights: run.trained.policy as DecoderWeights }
    await saveModel(folder, aligned)
    const after = await measure(aligned, questions, reward, tokenizer, context)
    const last = curve.slice(-5)
    const klAfter = last.reduce((sum, point) => sum + point.kl, 0) / last.length
    ui.status('')
    ui.line()
    ui.line(charts(curve, ui.columns))
    ui.line()
    return {
      figures: {
        steps,
        rewardBefore: before.reward,
        rewardAfter: after.reward,
        kl: klAfter,
        largestKl: Math.max(...curve.map((point) => point.kl)),
        seaWordsBefore: before.seaWords,
        seaWordsAfter: after.seaWords,
      },
      lines: [
        `mean reward on ${questions.length} held-out questions ${before.reward.toFixed(2)} → ${after.reward.toFixed(2)}; KL from where it started ${klAfter.toFixed(2)} nats an answer`,
        `what the rule counts, words of the sea in an answer: ${before.seaWords.toFixed(2)} → ${after.seaWords.toFixed(2)}; answers that end by themselves: ${(100 * before.stopped).toFixed(0)} % → ${(100 * after.stopped).toFixed(0)} %`,
        ...before.examples.map(({ question, answer }, i) => `“${question}”: “${answer}” → “${after.examples[i]!.answer}”`),
      ],
    }
  },
}

/**
 * Prompts of each step, all of one length: those are generated side by side, and a batch of many lengths would fall apart into small ones. Lengths
 * come as often as there are questions of them.
 */
function promptsByLength(
  questions: readonly string[],
  { tokenizer, rows, seed }: { readonly tokenizer: Tokenizer; readonly rows: number; readonly seed: number },
): { readonly prompts: (step: number) => Int32Array[]; readonly longest: number } {
  const ids = questions.map((question) => promptOf(question, tokenizer))
  const prompts = (step: number): Int32Array[] => {
    const stream = random(seed).stream('prompts').fold(step)
    const { length } = stream.choice(ids)
    const alike = ids.filter((prompt) => prompt.length === length)
    return Array.from({ length: rows }, () => stream.choice(alike))
  }
  return { prompts, longest: Math.max(...ids.map(({ length }) => length)) }
}

interface Measurement {
  readonly reward: number
  readonly seaWords: number
  readonly stopped: number
  readonly examples: readonly { readonly question: string; readonly answer: string }[]
}

/** What a policy earns on questions that it was never trained on, at temperature 1, always with the same draws; and its likeliest answers. */
async function measure(
  { config, weights }: PolicyModel,
  questions: readonly string[],
  reward: Reward,
  tokenizer: Tokenizer,
  { options, signal }: StageContext,
): Promise<Measurement> {
  using generator = createBatchGenerator({ config, rows: 32 })
  const prompts = questions.flatMap((question) => Array.from({ length: measured }, () => promptOf(question, tokenizer)))
  const maxTokens = options.sizes.answerTokens
  const { samples } = await collectRollout(generator, weights, prompts, {
    maxTokens,
    stop: [stopToken({ tokenizer, template })],
    seed: `${options.seed}/measure`,
    signal,
  })
  const scores = (await scoreSamples(reward, samples, { signal })) as number[]
  const some = questions.slice(0, 3)
  const answers = await answersTo(some, { config, weights }, { tokenizer, maxTokens, temperature: 0, seed: options.seed, signal })
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    reward: mean(scores),
    seaWords: mean(samples.map(({ completion }) => seaWords(textOf(completion, tokenizer)))),
    stopped: mean(samples.map(({ finishReason }) => (finishReason === 'stop' ? 1 : 0))),
    examples: some.map((question, i) => ({ question, answer: answers[i]! })),
  }
}

interface Point {
  readonly reward: number
  readonly kl: number
}

/** Reward and KL differ too much in size for one chart. */
const charts = (curve: readonly Point[], columns: number): string =>
  (['reward', 'kl'] as const)
    .map((name) =>
      chart(
        [{ label: name === 'kl' ? 'KL, nats an answer' : 'reward', mark: '●', points: curve.map((point, i) => [i + 1, point[name]]) }],
        {
          width: columns - 12,
          height: 7,
          xLabel: 'step',
        },
      ),
    )
    .join('\n\n')
