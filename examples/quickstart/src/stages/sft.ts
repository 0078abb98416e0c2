import { cosineSchedule } from '@tesserae/transformer'
import { loadCheckpoint, saveModel } from '@tesserae/transformer/node'
import { evaluateSft, prepareSft, sft } from '@tesserae/rlhf'
import { readFile } from 'node:fs/promises'
import { answersTo, conversations, conversationsFile, firstQuestions, template } from '../chat.js'
import { digest } from '../files.js'
import { keptState, runKeeping } from '../resumable.js'
import type { Stage } from '../stage.js'
import { progressBar } from '../terminal.js'
import { loadTokenizer } from './tokenizer.js'

/** Teaches the pre-trained model to answer, from conversations. Only what the assistant says is learnt. */
export const sftStage: Stage = {
  name: 'sft',
  title: 'Fine-tuning: the model learns to answer, from conversations',
  code: 'examples/quickstart/src/stages/sft.ts',
  needs: ['tokenizer', 'pretrain'],
  inputs: async ({ sizes, seed }) => ({
    ...sizes.sft,
    tokens: sizes.answerTokens,
    seed,
    template,
    conversations: digest(await readFile(conversationsFile, 'utf8')),
  }),
  async run(context) {
    const { options, ui, signal, folder, from } = context
    const { epochs, rows, learningRate } = options.sizes.sft
    const tokenizer = await loadTokenizer(from('tokenizer'))
    const { config, weights } = await loadCheckpoint(from('pretrain'))
    const { train, heldOut } = await conversations(options)
    const prepare = { tokenizer, template, maxLength: config.context, overflow: 'drop' } as const
    const data = prepareSft(train, prepare)
    const held = prepareSft(heldOut, prepare)
    const before = await evaluateSft(weights, held, { config, signal })
    const steps = Math.ceil((data.length * epochs) / rows)
    const state = await keptState(context, 'sft')
    using run = sft({
      ...(state === undefined ? { policy: { config, weights } } : { state }),
      data,
      rows,
      steps,
      learningRate: cosineSchedule({ peak: learningRate, warmup: Math.ceil(steps / 20), decay: steps }),
      optimizer: { weightDecay: 0.1 },
      seed: options.seed,
      signal,
    })
    await runKeeping('sft', run, context, ({ index, metrics }) =>
      ui.status(
        `   ${progressBar(index, steps)}  step ${index}/${steps}  loss ${metrics.loss.toFixed(3)}  ${(100 * metrics.accuracy).toFixed(0)} % of tokens right`,
      ),
    )
    const after = await evaluateSft(run.weights, held, { config, signal })
    await saveModel(folder, { config, weights: run.weights })
    const questions = firstQuestions(heldOut).slice(0, 4)
    const answers = await answersTo(
      questions,
      { config, weights: run.weights },
      {
        tokenizer,
        maxTokens: options.sizes.answerTokens,
        temperature: 0,
        seed: options.seed,
        signal,
      },
    )
    return {
      figures: { conversations: train.length, heldOut: held.length, steps, lossBefore: before.loss, lossAfter: after.loss },
      lines: [
        `${train.length} conversations, ${epochs} times each; loss on ${held.length} held-out ones ${before.loss.toFixed(3)} → ${after.loss.toFixed(3)}`,
        ...questions.map((question, i) => `“${question}” → “${answers[i]!}”`),
      ],
    }
  },
}
