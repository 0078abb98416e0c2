import { join } from 'node:path'
import { random } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import type { Tokenizer } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  createModel,
  evaluate,
  initWeights,
  llama,
  randomWindows,
  sequentialWindows,
  train,
  type Batches,
  type DecoderConfig,
  type DecoderWeights,
  type TrainingState,
} from '@tesserae/transformer'
import { loadTraining, saveModel, saveTraining } from '@tesserae/transformer/node'
import { book } from '../book.js'
import { chart } from '../chart.js'
import { digest, readJson, writeWhole } from '../files.js'
import type { Options } from '../options.js'
import type { Stage, StageContext } from '../stage.js'
import { clock, progressBar } from '../terminal.js'
import { loadTokenizer } from './tokenizer.js'

/** What is remembered of a run beside the trainer's own checkpoint. */
interface RunRecord {
  readonly steps: number
  /** Validation loss before the first step. */
  readonly lossBefore: number
  /** [step, loss] of training and of validation, for the curve. */
  readonly trainCurve: readonly (readonly [number, number])[]
  readonly validationCurve: readonly (readonly [number, number])[]
}

/** Steps that are timed to find out how many fit in the time given. */
const probeSteps = 8
const sampleTokens = 40

/** Pre-trains a small Llama on the book. An interrupted run keeps a checkpoint, from which it goes on as if it had not been. */
export const pretrainStage: Stage = {
  name: 'pretrain',
  title: 'Pre-training: a transformer learns to predict the next token of the book',
  code: 'examples/quickstart/src/stages/pretrain.ts',
  needs: ['tokenizer'],
  inputs: ({ seconds, sizes, seed, prompt }) => ({
    seconds,
    ...sizes.pretrain,
    model: sizes.model,
    seed,
    prompt,
    text: digest(book().train),
  }),
  async run(context) {
    const { options, ui, signal, folder, from, interrupted } = context
    const tokenizer = await loadTokenizer(from('tokenizer'))
    const { model, pretrain } = options.sizes
    const window = { rows: pretrain.rows, length: model.context }
    const text = book()
    const data = randomWindows(tokenizer.encode(text.train), { ...window, seed: options.seed })
    const validation = sequentialWindows(tokenizer.encode(text.validation), window)
    const config = llama({ vocabSize: tokenizer.vocabSize, ...model, tied: true })
    const { total } = countParameters(config)
    ui.line(
      `   Llama, ${config.layers} layers of width ${config.width}, ${(total / 1e6).toFixed(2)}M parameters; batches of ${window.rows} × ${window.length} tokens`,
    )
    let record: RunRecord
    let start: { state: TrainingState } | { config: DecoderConfig; weights: DecoderWeights }
    if (interrupted !== undefined) {
      record = await readJson<RunRecord>(join(interrupted, 'run.json'))
      start = { state: await loadTraining(join(interrupted, 'checkpoint')) }
      ui.line(`   goes on at step ${start.state.step} of ${record.steps}`)
    } else {
      const weights = initWeights(config, { seed: options.seed })
      const steps = await stepsThatFit(config, data, options)
      const { loss } = await evaluate(weights, validation, { config, batches: pretrain.validationBatches, signal })
      record = { steps, lossBefore: loss, trainCurve: [], validationCurve: [[0, loss]] }
      start = { config, weights }
      ui.line(`   ${steps} steps fit in ${clock(options.seconds)}; uniform guessing has loss ${Math.log(config.vocabSize).toFixed(3)}`)
    }
    const done = await trainLoop(start, record, { data, validation }, context)
    await saveModel(folder, { config, weights: done.weights })
    await writeWhole(join(folder, 'run.json'), JSON.stringify(done.record))
    ui.status('')
    ui.line()
    ui.line(curves(done.record, ui.columns))
    ui.line()
    const [before, after] = [done.record.lossBefore, done.record.validationCurve.at(-1)![1]]
    return {
      figures: { steps: done.record.steps, parameters: total, lossBefore: before, lossAfter: after },
      lines: [
        `validation loss ${before.toFixed(3)} → ${after.toFixed(3)} after ${done.record.steps} steps`,
        `it goes on: “${(await continuation({ config, weights: done.weights }, tokenizer, context)).replaceAll(/\s+/g, ' ')} …”`,
      ],
    }
  },
}

async function trainLoop(
  start: { state: TrainingState } | { config: DecoderConfig; weights: DecoderWeights },
  record: RunRecord,
  { data, validation }: { data: Batches; validation: Batches },
  { options, ui, signal, keep }: StageContext,
): Promise<{ readonly weights: DecoderWeights; readonly record: RunRecord }> {
  const { steps } = record
  const trainCurve = [...record.trainCurve]
  const validationCurve = [...record.validationCurve]
  const run = train({
    ...start,
    data,
    steps,
    learningRate: cosineSchedule({ peak: 2e-3, warmup: Math.min(100, Math.floor(steps / 10)), decay: steps }),
    optimizer: { beta2: 0.99, weightDecay: 0.1 },
    evaluation: { data: validation, every: Math.max(1, Math.floor(steps / 10)), batches: options.sizes.pretrain.validationBatches },
    seed: options.seed,
    signal,
  })
  const begun = performance.now()
  let tokens = 0
  const first = run.step
  try {
    for await (const event of run) {
      tokens += event.tokens
      trainCurve.push([event.step, event.loss])
      if (event.validationLoss !== undefined) validationCurve.push([event.step, event.validationLoss])
      const elapsed = (performance.now() - begun) / 1000
      const left = (elapsed / (event.step - first)) * (steps - event.step)
      ui.status(
        `   ${progressBar(event.step, steps)}  step ${event.step}/${steps}  loss ${event.loss.toFixed(3)}  validation ${validationCurve.at(-1)![1].toFixed(3)}  ${(tokens / elapsed / 1000).toFixed(1)}k tokens/s  ${clock(left)} left`,
      )
    }
  } catch (error) {
    if (signal.aborted) {
      const kept = await keep()
      await saveTraining(join(kept, 'checkpoint'), run.state())
      await writeWhole(join(kept, 'run.json'), JSON.stringify({ ...record, trainCurve, validationCurve }))
      ui.line(`   interrupted at step ${run.step} of ${steps}; the checkpoint is in ${kept}`)
    }
    run.dispose()
    throw error
  }
  return { weights: run.release(), record: { ...record, trainCurve, validationCurve } }
}

const curves = ({ trainCurve, validationCurve }: RunRecord, columns: number): string =>
  chart(
    [
      { label: 'training loss', mark: '·', points: trainCurve },
      { label: 'validation loss', mark: '●', points: validationCurve },
    ],
    { width: columns - 12, height: 14, xLabel: 'step' },
  )

/** Times a few steps of a throw-away model; their programs are the ones that training uses. */
async function stepsThatFit(config: DecoderConfig, data: Batches, options: Options): Promise<number> {
  using probe = train({ config, weights: initWeights(config, { seed: options.seed }), data, steps: probeSteps })
  const seconds: number[] = []
  for await (const event of probe) seconds.push(event.seconds)
  const typical = seconds.slice(2).sort((a, b) => a - b)[Math.floor((probeSteps - 2) / 2)]!
  return Math.max(10, Math.floor((options.seconds * 0.96) / typical))
}

async function continuation(
  { config, weights }: { readonly config: DecoderConfig; readonly weights: DecoderWeights },
  tokenizer: Tokenizer,
  { options, signal }: StageContext,
): Promise<string> {
  using model = await createModel({ config, weights, tokenizer })
  const choose = sampler({ temperature: 0.8, topK: 50, seed: random(options.seed).stream('continuation').uint32() })
  const maxTokens = Math.min(sampleTokens, model.capacity - tokenizer.encode(options.prompt).length)
  const { text } = await model.generate(options.prompt, { maxTokens, sampler: choose, signal })
  return options.prompt + text
}
