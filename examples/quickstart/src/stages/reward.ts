import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { random } from '@tesserae/core'
import {
  evaluateReward,
  initScalarHead,
  normalizeRewardModel,
  parseRows,
  preparePreferences,
  trainReward,
  type PreferenceRow,
} from '@tesserae/rlhf'
import { saveRewardModel } from '@tesserae/rlhf/node'
import { cosineSchedule } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { template } from '../chat.js'
import { keptState, runKeeping } from '../resumable.js'
import type { Stage } from '../stage.js'
import { progressBar } from '../terminal.js'
import { loadTokenizer } from './tokenizer.js'

/** Learns to score answers as the rankings order them. */
export const rewardStage: Stage = {
  name: 'reward',
  title: 'Reward model: a model learns what is preferred',
  code: 'examples/quickstart/src/stages/reward.ts',
  needs: ['tokenizer', 'sft', 'rank'],
  inputs: ({ sizes, seed }) => ({ ...sizes.reward, seed, template }),
  async run(context) {
    const { options, ui, signal, folder, from } = context
    const { epochs, rows, learningRate } = options.sizes.reward
    const tokenizer = await loadTokenizer(from('tokenizer'))
    const { config, weights } = await loadCheckpoint(from('sft'))
    const all = parseRows(await readFile(join(from('rank'), 'preferences.jsonl'), 'utf8'), 'preference')
    const { train, heldOut } = split(all, options.seed)
    const prepare = { tokenizer, template, maxLength: config.context, overflow: 'drop' } as const
    const data = preparePreferences(train, prepare)
    const held = preparePreferences(heldOut, prepare)
    const steps = Math.ceil((data.length * epochs) / rows)
    const untrained = { config, weights, head: initScalarHead(config.width, { seed: options.seed }) }
    const before = await evaluateReward(untrained, held, { signal })
    const state = await keptState(context, 'reward')
    using run = trainReward({
      ...(state === undefined ? { policy: untrained } : { state }),
      data,
      rows,
      steps,
      learningRate: cosineSchedule({ peak: learningRate, warmup: Math.ceil(steps / 20), decay: steps }),
      centering: 0.01,
      seed: options.seed,
      signal,
    })
    await runKeeping('reward', run, context, ({ index, metrics }) =>
      ui.status(
        `   ${progressBar(index, steps)}  step ${index}/${steps}  loss ${metrics.loss.toFixed(3)}  ${(100 * metrics.accuracy).toFixed(0)} % of pairs right`,
      ),
    )
    const model = { config, ...run.weights }
    const after = await evaluateReward(model, held, { signal })
    const answers = data.flatMap(({ chosen, rejected }) => [chosen, rejected])
    await saveRewardModel(folder, await normalizeRewardModel(model, answers))
    const share = (accuracy: number): string => `${(100 * accuracy).toFixed(1)} %`
    return {
      figures: { pairs: data.length, heldOut: held.length, steps, accuracyBefore: before.accuracy, accuracyAfter: after.accuracy },
      lines: [
        `${data.length} pairs; orders ${share(before.accuracy)} → ${share(after.accuracy)} of ${held.length} pairs of held-out prompts right, loss ${before.loss.toFixed(3)} → ${after.loss.toFixed(3)}`,
      ],
    }
  },
}

/** A fifth of the prompts is held out with all of its pairs: an answer that was seen in one pair would give the other away. */
function split(rows: readonly PreferenceRow[], seed: number): { readonly train: PreferenceRow[]; readonly heldOut: PreferenceRow[] } {
  const prompts = random(seed)
    .stream('pairs')
    .shuffle([...new Set(rows.map(({ prompt }) => prompt as string))])
  const held = new Set(prompts.slice(0, Math.max(1, Math.floor(prompts.length / 5))))
  return {
    train: rows.filter(({ prompt }) => !held.has(prompt as string)),
    heldOut: rows.filter(({ prompt }) => held.has(prompt as string)),
  }
}
