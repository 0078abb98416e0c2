/**
 * Trains the Chat room's model: a small Llama learns English from Moby-Dick, then how to answer from the conversations written for this
 * project. Writes public/chat/model.safetensors (float16) and public/chat/MODEL-CARD.md. Seeds are fixed; the same machine gives the same file.
 *
 *   npm run train:chat -w @tesserae/demo            about five minutes on two cores
 *   npm run train:chat -w @tesserae/demo -- --probe  ten steps of each stage, nothing written
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hashString } from '@tesserae/core'
import { evaluateSft, prepareSft, sft } from '@tesserae/rlhf'
import { sampler } from '@tesserae/sampling'
import { defaultDevice } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
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
  type DecoderWeights,
  type TrainingState,
} from '@tesserae/transformer'
import { endId, promptIds, template } from '../src/lib/conversation.js'
import { decodeState, encodeModel, encodeState } from '../src/worker/checkpoint.js'
import { book } from './book.js'
import { conversations } from './conversations.js'
import { modelCard } from './model-card.js'

const seed = 7
const probe = process.argv.includes('--probe')
const public_ = new URL('../public/', import.meta.url)

const recipe = {
  width: 128,
  layers: 4,
  heads: 4,
  context: 160,
  // Stopped well before its schedule ends: fine-tuning goes on from a high rate.
  pretrain: { steps: 400, horizon: 700, rows: 8, length: 80, rate: 3e-3 },
  finetune: { steps: 300, horizon: 300, rows: 8, rate: 2e-3 },
} as const

const tokenizer = Tokenizer.fromJSON(readFileSync(new URL('tokenizer/tokenizer.json', public_), 'utf8'))
const shape = {
  vocabSize: tokenizer.vocabSize,
  width: recipe.width,
  layers: recipe.layers,
  heads: recipe.heads,
  context: recipe.context,
  tied: true,
}
const config = llama(shape)
const optimizer = { beta1: 0.9, beta2: 0.99, weightDecay: 0.1 }
const started = performance.now()
const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(0)} s`

const scheduleOf = ({ rate, horizon }: { readonly rate: number; readonly horizon: number }) =>
  cosineSchedule({ peak: rate, warmup: Math.ceil(horizon / 20), decay: horizon })
const stepsOf = ({ steps }: { readonly steps: number }): number => (probe ? 10 : steps)

/** Prints now and then. */
function report(
  stage: string,
  step: number,
  steps: number,
  { loss, tokensPerSecond }: { readonly loss: number; readonly tokensPerSecond: number },
): void {
  if (step % 100 === 0 || step === steps)
    console.log(`${stage}: step ${step}/${steps}, loss ${loss.toFixed(3)}, ${tokensPerSecond.toFixed(0)} tokens/s, ${seconds()}`)
}

/** Where the state of a stage is kept while it runs, so that an interrupted run goes on. Another recipe has another name. */
const kept = (stage: string, made: unknown): URL =>
  new URL(`../.cache/${stage}-${hashString(JSON.stringify({ made, seed, shape, probe })).join('-')}.safetensors`, import.meta.url)

async function keptState(file: URL): Promise<TrainingState | undefined> {
  return existsSync(file) ? await decodeState(readFileSync(file), file.pathname) : undefined
}

async function keep(file: URL, state: TrainingState): Promise<void> {
  mkdirSync(new URL('.', file), { recursive: true })
  const aside = new URL(`${file.href}.tmp`)
  writeFileSync(aside, await encodeState(state))
  renameSync(aside, file)
}

/** The first stage: English, from random weights. */
async function pretrained(): Promise<DecoderWeights> {
  const file = kept('pretraining', recipe.pretrain)
  const state = await keptState(file)
  const run = train({
    ...(state === undefined ? { config, weights: initWeights(config, { seed }) } : { state }),
    data: randomWindows(tokenizer.encode(text.slice(0, cut)), { ...recipe.pretrain, seed }),
    steps: stepsOf(recipe.pretrain),
    learningRate: scheduleOf(recipe.pretrain),
    optimizer,
    seed,
  })
  for await (const event of run) {
    report('pre-training', event.step, event.steps, event)
    if (event.step % 50 === 0 || event.step === event.steps) await keep(file, run.state())
  }
  return run.release()
}

/** The second stage: answering. */
async function finetuned(start: DecoderWeights): Promise<DecoderWeights> {
  const { finetune } = recipe
  const file = kept('fine-tuning', recipe)
  const state = await keptState(file)
  const run = sft({
    ...(state === undefined ? { policy: { config, weights: start } } : { state }),
    data: learnt,
    steps: stepsOf(finetune),
    rows: finetune.rows,
    learningRate: scheduleOf(finetune),
    optimizer,
    seed,
  })
  for await (const { index, steps, metrics } of run) {
    report('fine-tuning', index, steps, metrics)
    if (index % 50 === 0) await keep(file, run.state())
  }
  return run.release()
}

const all = conversations()
// The few that are longer are left out: with them most batches would be padded to twice their length.
const longest = { tokenizer, template, maxLength: 64, overflow: 'drop' } as const
const heldRows = all.filter((_, i) => i % 12 === 5)
const held = prepareSft(heldRows, longest)
const learnt = prepareSft(
  all.filter((_, i) => i % 12 !== 5),
  longest,
)
const text = book()
const cut = text.lastIndexOf('\n\nCHAPTER ', text.length * 0.95)
const validation = sequentialWindows(tokenizer.encode(text.slice(cut)), recipe.pretrain)
console.log(
  `${(await defaultDevice()).description}; ${countParameters(config).total} parameters; ${learnt.length} conversations, ${held.length} held out`,
)

const english = await pretrained()
const bookLoss = (await evaluate(english, validation, { config, batches: 12 })).loss
const before = (await evaluateSft(english, held, { config })).loss
console.log(`book, held out: ${bookLoss.toFixed(3)}; answers before fine-tuning, held out: ${before.toFixed(3)}`)

const weights = await finetuned(english)
const after = (await evaluateSft(weights, held, { config })).loss
console.log(`answers, held out: ${after.toFixed(3)}`)

const bytes = await encodeModel({ config, weights }, { dtype: 'f16', metadata: { format: 'tesserae-demo' } })
using model = await createModel({ config, weights, tokenizer })
const answers: { question: string; answer: string }[] = []
for (const { messages } of heldRows.slice(0, 12)) {
  const question = messages[0]!.content
  const { text: answer = '' } = await model.generate(promptIds([messages[0]!], tokenizer, config.context), {
    maxTokens: 50,
    sampler: sampler({ temperature: 0.5, topP: 0.95, seed }),
    stop: [endId(tokenizer)],
  })
  answers.push({ question, answer: answer.trim() })
  console.log(`> ${question}\n  ${answer.trim()}`)
}

if (!probe) {
  const folder = new URL('chat/', public_)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('model.safetensors', folder), bytes)
  const card = modelCard({
    recipe,
    seed,
    parameters: countParameters(config).total,
    vocabSize: tokenizer.vocabSize,
    bytes: bytes.byteLength,
    conversations: learnt.length,
    heldOut: held.length,
    losses: { book: bookLoss, before, after },
    answers,
  })
  writeFileSync(new URL('MODEL-CARD.md', folder), card)
}
console.log(`${bytes.byteLength} bytes of float16, ${seconds()}`)
