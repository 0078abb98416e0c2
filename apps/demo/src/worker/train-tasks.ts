import { throwIfAborted } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  createModel,
  disposeWeights,
  initWeights,
  llama,
  randomWindows,
  train,
  type DecoderConfig,
  type DecoderWeights,
  type TrainingRun,
} from '@tesserae/transformer'
import { decodeState, encodeModel, encodeState } from './checkpoint.js'
import { device } from './device.js'
import type { TaskContext, Tasks } from './protocol.js'
import { deleteValue, readValue, writeValue } from './store.js'
import type { ModelSize, TrainCalls, TrainEvent, TrainSample, TrainSettings, TrainSummary } from './train-calls.js'

const vocabSize = 512
/** The state is saved after this much training, so that a closed tab loses no more. */
const saveEveryMs = 2500
const sampleTokens = 60

const sizes: Readonly<Record<ModelSize, { width: number; layers: number; heads: number; length: number; rows: number; rate: number }>> = {
  tiny: { width: 64, layers: 2, heads: 4, length: 64, rows: 8, rate: 4e-3 },
  small: { width: 128, layers: 4, heads: 4, length: 96, rows: 8, rate: 3e-3 },
  medium: { width: 192, layers: 6, heads: 6, length: 128, rows: 8, rate: 2e-3 },
}

/** What is kept of a run between visits. The text is kept apart: it never changes, and the rest is written every few seconds. */
interface Saved {
  readonly summary: TrainSummary
  readonly state: Uint8Array<ArrayBuffer>
}

interface SavedText {
  readonly text: string
  readonly tokenizer: string
}

const keys = { run: 'train.run', text: 'train.text' } as const
const lockName = 'tesserae-demo-train'

/** Runs `work` as the only tab that trains. Hosts without HTTPS lack the lock; there nothing guards against a second tab. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  if (navigator.locks === undefined) return work()
  return navigator.locks.request(lockName, { ifAvailable: true }, (lock) => {
    if (lock === null) throw new Error('Another tab of this site is training. Pause it there, or close it, and try again.')
    return work()
  })
}

async function trainsElsewhere(): Promise<boolean> {
  const held = await navigator.locks?.query()
  return held?.held?.some(({ name }) => name === lockName) ?? false
}

async function saved(): Promise<Saved & SavedText> {
  const [run, text] = [await readValue<Saved>(keys.run), await readValue<SavedText>(keys.text)]
  if (run === undefined || text === undefined) throw new Error('There is no saved training in this browser; start a new one.')
  return { ...run, ...text }
}

function configOf(size: ModelSize, tokens: number): DecoderConfig {
  const { width, layers, heads, length } = sizes[size]
  return llama({ vocabSize: tokens, width, layers, heads, context: length, tied: true })
}

/** Lets the model under training write, from its weights as they are now. */
async function sampleOf(
  run: { readonly config: DecoderConfig; readonly weights: DecoderWeights; readonly tokenizer: Tokenizer },
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  using model = await createModel({ ...run, borrowWeights: true, device: await device() })
  const { text = '' } = await model.generate(prompt, {
    maxTokens: Math.min(sampleTokens, run.config.context - run.tokenizer.count(prompt)),
    sampler: sampler({ temperature: 0.8, topK: 40, seed: 1 }),
    signal,
  })
  return prompt + text
}

interface Session {
  readonly tokenizer: Tokenizer
  readonly text: string
  readonly run: TrainingRun
  summary: TrainSummary
}

/** Steps until all are done or the signal fires; either way the state is saved before this returns. */
async function loop(session: Session, { signal, emit }: TaskContext<TrainEvent>): Promise<TrainSummary> {
  const { run, tokenizer } = session
  const losses = [...session.summary.losses]
  const samples: TrainSample[] = [...session.summary.samples]
  let lastSaved = performance.now()
  const save = async (running: boolean): Promise<void> => {
    session.summary = { ...session.summary, step: run.step, losses: [...losses], samples: [...samples], running }
    const state = await encodeState(run.state())
    await writeValue(keys.run, { summary: session.summary, state } satisfies Saved)
    lastSaved = performance.now()
    emit({ kind: 'saved', step: run.step })
  }
  emit({ kind: 'begun', summary: session.summary })
  try {
    // Before the first step too: a tab that is closed at once finds its run again.
    await save(true)
    for await (const { step, steps, loss, tokensPerSecond } of run) {
      losses.push([step, loss])
      emit({ kind: 'step', step, loss, tokensPerSecond })
      if (step % session.summary.sampleEvery === 0 || step === steps) {
        const sample = {
          step,
          text: await sampleOf({ config: run.state().config, weights: run.weights, tokenizer }, promptOf(session.text), signal),
        }
        samples.push(sample)
        emit({ kind: 'sample', ...sample })
      }
      if (performance.now() - lastSaved > saveEveryMs) await save(true)
      // A pause takes effect after this step, with everything that belongs to it written.
      throwIfAborted(signal, 'Training')
    }
  } catch (error) {
    if (signal.aborted) await save(false)
    throw error
  }
  await save(false)
  return session.summary
}

/** The first words of the text are a fair start for whatever it taught. */
const promptOf = (text: string): string => text.trimStart().split(/\s+/, 3).join(' ').slice(0, 24)

const learningRate = ({ steps, size }: TrainSettings) =>
  cosineSchedule({ peak: sizes[size].rate, warmup: Math.min(50, Math.ceil(steps / 10)), decay: steps })

const windowsOf = (tokenizer: Tokenizer, text: string, { size, seed }: TrainSettings) =>
  randomWindows(tokenizer.encode(text, { special: 'text' }), { rows: sizes[size].rows, length: sizes[size].length, seed })

async function start(
  { text, ...settings }: TrainSettings & { readonly text: string },
  context: TaskContext<TrainEvent>,
): Promise<TrainSummary> {
  const least = 2000
  if (text.trim().length < least)
    throw new Error(
      `This text has ${text.trim().length} characters; a model needs at least ${least} to learn anything. Choose a longer one.`,
    )
  context.emit({ kind: 'stage', text: 'Learning a vocabulary from the text' })
  const tokenizer = await trainBpe([text], { vocabSize, signal: context.signal })
  await writeValue(keys.text, { text, tokenizer: JSON.stringify(tokenizer.toJSON()) } satisfies SavedText)
  context.emit({ kind: 'stage', text: 'Compiling the training step' })
  const config = configOf(settings.size, tokenizer.vocabSize)
  using run = train({
    config,
    weights: initWeights(config, { seed: settings.seed }),
    data: windowsOf(tokenizer, text, settings),
    steps: settings.steps,
    learningRate: learningRate(settings),
    seed: settings.seed,
    signal: context.signal,
    device: await device(),
  })
  const summary: TrainSummary = {
    ...settings,
    step: 0,
    parameters: countParameters(config).total,
    vocabSize: tokenizer.vocabSize,
    characters: text.length,
    losses: [],
    samples: [],
    running: true,
  }
  return await loop({ tokenizer, text, run, summary }, context)
}

async function resume(context: TaskContext<TrainEvent>): Promise<TrainSummary> {
  context.emit({ kind: 'stage', text: 'Loading the saved state' })
  const { summary, state, text, tokenizer: json } = await saved()
  if (summary.step >= summary.steps) throw new Error('This training is finished: all of its steps are done. Start a new one.')
  const tokenizer = Tokenizer.fromJSON(json)
  using run = train({
    state: await decodeState(state, 'the saved training'),
    data: windowsOf(tokenizer, text, summary),
    steps: summary.steps,
    learningRate: learningRate(summary),
    signal: context.signal,
    device: await device(),
  })
  return await loop({ tokenizer, text, run, summary: { ...summary, running: true } }, context)
}

/** The trained model alone; the optimiser's moments are freed. */
async function trained(): Promise<{
  config: DecoderConfig
  weights: DecoderWeights
  tokenizer: Tokenizer
  json: string
  summary: TrainSummary
}> {
  const { state, summary, tokenizer: json } = await saved()
  const { config, weights, m, v } = await decodeState(state, 'the saved training')
  disposeWeights(m)
  disposeWeights(v)
  return { config, weights, tokenizer: Tokenizer.fromJSON(json), json, summary }
}

export const trainTasks: Tasks<TrainCalls> = {
  async 'train.saved'() {
    const run = await readValue<Saved>(keys.run)
    return { ...(run === undefined ? {} : { summary: run.summary }), elsewhere: await trainsElsewhere() }
  },
  'train.start': (input, context) => alone(() => start(input, context)),
  'train.resume': (_, context) => alone(() => resume(context)),
  'train.discard': () =>
    alone(async () => {
      await deleteValue(keys.run)
      await deleteValue(keys.text)
      return {}
    }),
  async 'train.export'() {
    const { config, weights, json, summary } = await trained()
    try {
      const bytes = await encodeModel({ config, weights }, { metadata: { format: 'tesserae-demo', tokenizer: json } })
      return { bytes, name: `tesserae-${summary.size}-step-${summary.step}.safetensors` }
    } finally {
      disposeWeights(weights)
    }
  },
  async 'train.write'({ prompt, temperature, maxTokens, seed }, { signal, emit }) {
    const { config, weights, tokenizer } = await trained()
    using model = await createModel({ config, weights, tokenizer, device: await device() })
    const room = config.context - tokenizer.count(prompt, { special: 'text' })
    if (room < 1) throw new Error(`The beginning takes all ${config.context} tokens of this model's context. Shorten it.`)
    const ids = tokenizer.encode(prompt === '' ? '\n' : prompt, { special: 'text' })
    const begun = performance.now()
    let tokens = 0
    for await (const { text = '' } of model.stream(ids, {
      maxTokens: Math.min(maxTokens, room),
      sampler: sampler({ temperature, topK: 40, seed }),
      signal,
    })) {
      tokens++
      emit({ text })
    }
    return { tokens, seconds: (performance.now() - begun) / 1000 }
  },
}
