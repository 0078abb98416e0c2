import { random } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'
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
import { loadTraining, saveTraining } from '@tesserae/transformer/node'
import type { Book } from './book.js'
import { chart } from './chart.js'
import type { Options } from './options.js'
import { paths, readJson, writeWhole, type RunRecord } from './record.js'
import { clock, progressBar, type Terminal } from './terminal.js'

const window = { rows: 16, length: 128 }
const validationBatches = 12
/** Steps that are timed to find out how many fit in the time given. */
const probeSteps = 8

/** Learns a byte-level BPE vocabulary from the training part of the book, or loads the interrupted run's. */
export async function makeTokenizer(book: Book, options: Options, ui: Terminal, signal: AbortSignal): Promise<Tokenizer> {
  ui.heading('1  Tokenizer')
  const file = paths(options.out).tokenizer
  if (options.resume) {
    const tokenizer = Tokenizer.fromJSON(await readJson(file))
    ui.line(`   ${tokenizer.vocabSize} tokens, from ${file}`)
    return tokenizer
  }
  const start = performance.now()
  const tokenizer = await trainBpe([book.train], {
    vocabSize: options.vocabSize,
    signal,
    onProgress: ({ task, completed, total }) => ui.status(`   ${progressBar(completed, total ?? 0)}  ${task}`),
  })
  ui.status('')
  await writeWhole(file, JSON.stringify(tokenizer.toJSON()))
  const bytes = Buffer.byteLength(book.validation)
  const ids = tokenizer.encode(book.validation)
  ui.line(
    `   ${tokenizer.vocabSize} tokens learnt from ${(Buffer.byteLength(book.train) / 1e6).toFixed(2)} MB in ${((performance.now() - start) / 1000).toFixed(1)} s; ${(bytes / ids.length).toFixed(2)} bytes a token on held-out text`,
  )
  const sample = [...tokenizer.encode('Call me Ishmael.')].map((id) => tokenizer.decode([id]))
  ui.line(`   “Call me Ishmael.” → ${sample.map((piece) => `[${piece}]`).join('')}`)
  return tokenizer
}

/** How the interrupted or finished training ended. */
export interface Trained {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly record: RunRecord
}

/** Pre-trains a small Llama until its steps are done; on an abort writes a checkpoint and returns nothing. */
export async function pretrain(
  book: Book,
  tokenizer: Tokenizer,
  options: Options,
  ui: Terminal,
  signal: AbortSignal,
): Promise<Trained | undefined> {
  ui.heading('2  Pre-training')
  const data = randomWindows(tokenizer.encode(book.train), { ...window, seed: options.seed })
  const validation = sequentialWindows(tokenizer.encode(book.validation), window)
  const files = paths(options.out)
  const from = options.resume ? { state: await loadTraining(files.checkpoint), record: await readJson<RunRecord>(files.record) } : undefined
  const config =
    from?.state.config ?? llama({ vocabSize: tokenizer.vocabSize, width: 160, layers: 4, heads: 5, context: window.length, tied: true })
  ui.line(
    `   Llama, ${config.layers} layers of width ${config.width}, ${(countParameters(config).total / 1e6).toFixed(2)}M parameters; batches of ${window.rows} × ${window.length} tokens`,
  )

  let record: RunRecord
  let start: { state: TrainingState } | { config: DecoderConfig; weights: DecoderWeights }
  if (from !== undefined) {
    record = from.record
    start = { state: from.state }
    ui.line(`   goes on at step ${from.state.step} of ${record.steps}`)
  } else {
    const weights = initWeights(config, { seed: options.seed })
    const steps = await stepsThatFit(config, data, options)
    const { loss } = await evaluate(weights, validation, { config, batches: validationBatches, signal })
    record = { steps, seed: options.seed, lossBefore: loss, trainCurve: [], validationCurve: [[0, loss]] }
    start = { config, weights }
    ui.line(
      `   ${steps} steps fit in ${clock(options.seconds)}; validation loss before: ${loss.toFixed(3)} (uniform guessing: ${Math.log(config.vocabSize).toFixed(3)})`,
    )
  }
  return await trainLoop(start, record, { data, validation }, options, ui, signal)
}

async function trainLoop(
  start: { state: TrainingState } | { config: DecoderConfig; weights: DecoderWeights },
  record: RunRecord,
  { data, validation }: { data: Batches; validation: Batches },
  options: Options,
  ui: Terminal,
  signal: AbortSignal,
): Promise<Trained | undefined> {
  const { steps } = record
  const config = 'state' in start ? start.state.config : start.config
  const trainCurve = [...record.trainCurve]
  const validationCurve = [...record.validationCurve]
  const run = train({
    ...start,
    data,
    steps,
    learningRate: cosineSchedule({ peak: 2e-3, warmup: Math.min(100, Math.floor(steps / 10)), decay: steps }),
    optimizer: { beta2: 0.99, weightDecay: 0.1 },
    evaluation: { data: validation, every: Math.max(1, Math.floor(steps / 10)), batches: validationBatches },
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
    if (!signal.aborted) throw error
    await saveTraining(paths(options.out).checkpoint, run.state())
    await writeWhole(paths(options.out).record, JSON.stringify({ ...record, trainCurve, validationCurve }))
    ui.line(
      `   interrupted at step ${run.step}; checkpoint in ${paths(options.out).checkpoint}. Go on with: npm run quickstart -- --resume`,
    )
    run.dispose()
    return undefined
  }
  const done = { ...record, trainCurve, validationCurve }
  await saveTraining(paths(options.out).checkpoint, run.state())
  await writeWhole(paths(options.out).record, JSON.stringify(done))
  ui.status('')
  ui.line()
  ui.line(
    chart(
      [
        { label: 'training loss', mark: '·', points: trainCurve },
        { label: 'validation loss', mark: '●', points: validationCurve },
      ],
      { width: ui.columns - 12, height: 14, xLabel: 'step' },
    ),
  )
  ui.line()
  ui.line(`   validation loss ${record.lossBefore.toFixed(3)} → ${validationCurve.at(-1)![1].toFixed(3)} after ${steps} steps`)
  return { config, weights: run.release(), record: done }
}

/** Times a few steps of a throw-away model; their programs are the ones that training uses. */
async function stepsThatFit(config: DecoderConfig, data: Batches, options: Options): Promise<number> {
  using probe = train({ config, weights: initWeights(config, { seed: options.seed }), data, steps: probeSteps })
  const seconds: number[] = []
  for await (const event of probe) seconds.push(event.seconds)
  const typical = seconds.slice(2).sort((a, b) => a - b)[Math.floor((probeSteps - 2) / 2)]!
  return Math.max(10, Math.floor((options.seconds * 0.96) / typical))
}

/** Streams a continuation of the prompt with the KV cache. */
export async function write(
  tokenizer: Tokenizer,
  { config, weights }: Trained,
  options: Options,
  ui: Terminal,
  signal: AbortSignal,
): Promise<void> {
  ui.heading('3  Writing')
  using model = await createModel({ config, weights, tokenizer })
  const choose = sampler({ temperature: options.temperature, topK: 50, seed: random(options.seed).stream('writing').uint32() })
  const room = Math.min(options.tokens, model.capacity - tokenizer.encode(options.prompt).length)
  ui.write(`\n${options.prompt}`)
  const start = performance.now()
  let first = 0
  let count = 0
  for await (const { text } of model.stream(options.prompt, { maxTokens: room, sampler: choose, signal })) {
    if (count++ === 0) first = performance.now()
    ui.write(text ?? '')
  }
  const rate = (count - 1) / ((performance.now() - first) / 1000)
  ui.line('\n')
  ui.line(
    `   ${count} tokens, the first after ${(first - start).toFixed(0)} ms, then ${rate.toFixed(0)} tokens/s (temperature ${options.temperature}, KV cache)`,
  )
}
