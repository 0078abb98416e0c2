/** Pre-training in the tab: a tokenizer and a Llama of a few ten thousand weights, on a text of the visitor's. */
import { sampler } from '@tesserae/sampling'
import { trainBpe, type Tokenizer } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  createModel,
  initWeights,
  llama,
  randomWindows,
  sequentialWindows,
  train,
  type DecoderConfig,
  type TrainingRun,
} from '@tesserae/transformer'
import type { CallContext } from './protocol.js'
import { cpu, deviceText } from './shipped-model.js'

const shape = { rows: 8, length: 48, vocabSize: 320 }

let current: { readonly run: TrainingRun; readonly config: DecoderConfig; readonly tokenizer: Tokenizer } | undefined

export interface TrainingSizes {
  readonly width: number
  readonly layers: number
  readonly steps: number
  readonly peak: number
}

/** Trains the tokenizer and makes the model; nothing of an earlier run is kept. */
export async function trainingStart(
  { text, sizes }: { readonly text: string; readonly sizes: TrainingSizes },
  { signal }: CallContext<never>,
) {
  current?.run.dispose()
  current = undefined
  const tokenizer = await trainBpe(text, { vocabSize: shape.vocabSize, signal })
  const ids = tokenizer.encode(text, { special: 'text' })
  const least = 12 * shape.length
  if (ids.length < least)
    throw new Error(`The text has ${ids.length} tokens; give at least ${least}, a page or so, of which a tenth is held out`)
  const config = llama({
    vocabSize: tokenizer.vocabSize,
    width: sizes.width,
    layers: sizes.layers,
    heads: 4,
    context: shape.length,
    tied: true,
  })
  const cut = Math.min(Math.floor(ids.length * 0.9), ids.length - shape.length - 1)
  const run = train({
    config,
    weights: initWeights(config, { seed: 1 }),
    data: randomWindows(ids.subarray(0, cut), { ...shape, seed: 1 }),
    evaluation: { data: sequentialWindows(ids.subarray(cut), { rows: 1, length: shape.length }), every: 20, batches: 4 },
    steps: sizes.steps,
    learningRate: cosineSchedule({ peak: sizes.peak, warmup: Math.min(10, sizes.steps), decay: sizes.steps }),
    device: await cpu(),
  })
  current = { run, config, tokenizer }
  return {
    vocabSize: tokenizer.vocabSize,
    tokens: ids.length,
    parameters: countParameters(config).total,
    device: await deviceText(),
  }
}

export interface TrainingProgress {
  readonly step: number
  readonly loss: number
  readonly validationLoss?: number
  readonly tokensPerSecond: number
}

/** Goes on until the run is done; cancelling the call pauses it between two steps, and the next call goes on from there. */
export async function trainingSteps(_: Record<string, never>, { signal, emit }: CallContext<TrainingProgress>) {
  const { run } = made()
  for await (const { step, loss, validationLoss, tokensPerSecond } of run) {
    emit({ step, loss, tokensPerSecond, ...(validationLoss === undefined ? {} : { validationLoss }) })
    if (signal.aborted) break
  }
  return { step: run.step }
}

/** What the model writes as it stands. */
export async function trainingSample(
  { prompt, temperature }: { readonly prompt: string; readonly temperature: number },
  { signal }: CallContext<never>,
) {
  const { run, config, tokenizer } = made()
  using model = await createModel({ config, weights: run.weights, tokenizer, borrowWeights: true, device: await cpu() })
  const ids = tokenizer.encode(prompt, { special: 'text' }).slice(-config.context / 2)
  const { text } = await model.generate(ids, { maxTokens: config.context - ids.length, sampler: sampler({ temperature, seed: 1 }), signal })
  return { text: text ?? '' }
}

function made(): NonNullable<typeof current> {
  if (current === undefined) throw new Error('No model has been made yet; start a training first')
  return current
}
