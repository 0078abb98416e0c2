/**
 * Trains the Chat room's model: a small Llama learns English from Moby-Dick, then how to answer from the conversations written for this
 * project. Writes public/chat/model.safetensors (float16) and public/chat/MODEL-CARD.md. Seeds are fixed; the same machine gives the same file.
 *
 *   npm run train:chat -w @tesserae/demo            about five minutes on two cores
 *   npm run train:chat -w @tesserae/demo -- --probe  ten steps of each stage, nothing written
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { random } from '@tesserae/core'
import { sampler } from '@tesserae/sampling'
import { defaultDevice } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import {
  cosineSchedule,
  countParameters,
  createModel,
  disposeWeights,
  evaluate,
  initWeights,
  llama,
  randomWindows,
  sequentialWindows,
  train,
  type Batches,
  type DecoderWeights,
  type TokenBatch,
} from '@tesserae/transformer'
import { endId, renderConversation, renderPrompt, type Message } from '../src/lib/conversation.js'
import { decodeModel, encodeModel } from '../src/worker/checkpoint.js'
import { book } from './book.js'
import { conversations } from './conversations.js'
import { modelCard } from './model-card.js'

const seed = 7
const probe = process.argv.includes('--probe')
const public_ = new URL('../public/', import.meta.url)

const recipe = {
  width: 128,
  layers: 5,
  heads: 4,
  context: 160,
  pretrain: { steps: 900, rows: 8, length: 96, rate: 3e-3 },
  finetune: { steps: 320, rows: 16, length: 64, rate: 1.5e-3 },
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
const started = performance.now()
const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(0)} s`

/** One stage of training; prints now and then. */
async function stage(
  name: string,
  start: DecoderWeights,
  data: Batches,
  options: { readonly steps: number; readonly rate: number },
): Promise<DecoderWeights> {
  const steps = probe ? 10 : options.steps
  const run = train({
    config,
    weights: start,
    data,
    steps,
    learningRate: cosineSchedule({ peak: options.rate, warmup: Math.ceil(steps / 20), decay: steps }),
    optimizer: { beta2: 0.99, weightDecay: 0.1 },
    seed,
  })
  for await (const { step, loss, tokensPerSecond } of run)
    if (step % 100 === 0 || step === steps)
      console.log(`${name}: step ${step}/${steps}, loss ${loss.toFixed(3)}, ${tokensPerSecond.toFixed(0)} tokens/s, ${seconds()}`)
  return run.release()
}

/** Conversations as batches of one fixed size; rows are drawn anew for every batch, from the seed. */
function conversationBatches(
  from: readonly (readonly Message[])[],
  { rows, length }: { rows: number; length: number },
  shuffled: boolean,
): Batches {
  const rendered = from.map((messages) => renderConversation(messages, tokenizer))
  const stream = random(seed).stream('conversations')
  const batch = (chosen: readonly number[]): TokenBatch => {
    const ids = new Int32Array(rows * length)
    const targets = new Int32Array(rows * length).fill(-1)
    chosen.forEach((index, row) => {
      const { ids: own, learnt } = rendered[index]!
      for (let t = 0; t < Math.min(length, own.length - 1); t++) {
        ids[row * length + t] = own[t]!
        if (learnt[t + 1]) targets[row * length + t] = own[t + 1]!
      }
    })
    return { ids, targets, rows, length }
  }
  const inOrder = (i: number): number[] => Array.from({ length: Math.min(rows, rendered.length - i * rows) }, (_, row) => i * rows + row)
  return shuffled
    ? { at: (i) => ((draw) => batch(Array.from({ length: rows }, () => draw.int(rendered.length))))(stream.fold(i)) }
    : { count: Math.ceil(rendered.length / rows), at: (i) => batch(inOrder(i)) }
}

/** The first stage, or what an interrupted run of the same recipe left of it. */
async function pretrained(): Promise<DecoderWeights> {
  const made = JSON.stringify({ ...recipe, finetune: undefined, seed, probe })
  const kept = new URL('../.cache/pretrained.safetensors', import.meta.url)
  if (existsSync(kept)) {
    const { weights, metadata } = await decodeModel(readFileSync(kept), 'pretrained.safetensors')
    if (metadata['made'] === made) return weights
    disposeWeights(weights)
  }
  const windows = randomWindows(tokenizer.encode(text.slice(0, cut)), { ...recipe.pretrain, seed })
  const weights = await stage('pre-training', initWeights(config, { seed }), windows, recipe.pretrain)
  mkdirSync(new URL('.', kept), { recursive: true })
  writeFileSync(kept, await encodeModel({ config, weights }, { metadata: { made } }))
  return weights
}

const all = conversations()
const held = all.filter((_, i) => i % 12 === 5)
const learnt = all.filter((_, i) => i % 12 !== 5)
const text = book()
const cut = text.lastIndexOf('\n\nCHAPTER ', text.length * 0.95)
const validation = sequentialWindows(tokenizer.encode(text.slice(cut)), recipe.pretrain)
const { finetune } = recipe
console.log(
  `${(await defaultDevice()).description}; ${countParameters(config).total} parameters; ${learnt.length} conversations, ${held.length} held out`,
)

const english = await pretrained()
const bookLoss = (await evaluate(english, validation, { config, batches: 12 })).loss
const before = (await evaluate(english, conversationBatches(held, finetune, false), { config })).loss
console.log(`book, held out: ${bookLoss.toFixed(3)}; answers before fine-tuning, held out: ${before.toFixed(3)}`)

const weights = await stage('fine-tuning', english, conversationBatches(learnt, finetune, true), finetune)
const after = (await evaluate(weights, conversationBatches(held, finetune, false), { config })).loss
console.log(`answers, held out: ${after.toFixed(3)}`)

const bytes = await encodeModel({ config, weights }, { dtype: 'f16', metadata: { format: 'tesserae-demo' } })
using model = await createModel({ config, weights, tokenizer })
const answers: { question: string; answer: string }[] = []
for (const messages of held.slice(0, 12)) {
  const question = messages[0]!.content
  const { text: answer = '' } = await model.generate(renderPrompt([messages[0]!], tokenizer, config.context), {
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
