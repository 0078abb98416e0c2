/**
 * Trains the Chat room's model: a small Llama learns English from Moby-Dick, then how to answer from the topics written for it. Writes public/chat/model.safetensors (float16) and public/chat/MODEL-CARD.md. Seeds are fixed; the same machine gives the same file.
 *
 *   npm run train:chat -w @tesserae/demo            about fifteen minutes on one core; an interrupted run goes on
 *   npm run train:chat -w @tesserae/demo -- --probe  ten steps of each stage, nothing written
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hashString, random } from '@tesserae/core'
import { evaluateSft, prepareSft, sft, type Message } from '@tesserae/rlhf'
import { sampler } from '@tesserae/sampling'
import { resolveDevice, setDefaultDevice } from '@tesserae/tensor'
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
import { conversationsOf } from '../src/chat-data/conversations.js'
import { questionsOf } from '../src/chat-data/topics.js'
import { endId, promptIds, template } from '../src/lib/conversation.js'
import { starters } from '../src/rooms/chat/starters.js'
import { decodeModel, decodeState, encodeModel, encodeState } from '../src/worker/checkpoint.js'
import { book } from './book.js'
import { modelCard, type Sample } from './model-card.js'
import { topics } from './topics.js'

const seed = 7
const probe = process.argv.includes('--probe')
const public_ = new URL('../public/', import.meta.url)

/** Nothing like them is among the topics, word for word at least: the card shows how the model takes them. */
const strangeQuestions = [
  'who was captain ahab and what did he want',
  'Could you tell me how heavy a blue whale gets?',
  'I want to know why whales sing so much.',
  'What happens to the ship at the end of the novel?',
  'How do I repair a bicycle?',
  'Who wrote Hamlet?',
  'Do you dream?',
  'Are tokens the same as words?',
] as const

const recipe = {
  width: 192,
  layers: 4,
  heads: 6,
  context: 160,
  // Stopped before its schedule ends: fine-tuning goes on from a high rate.
  pretrain: { steps: 1000, horizon: 1400, rows: 8, length: 128, rate: 2e-3 },
  // Every question is asked many times, worded as people type and answered anew, in conversations of a few exchanges.
  finetune: { passes: 20, rows: 8, longest: 128, rate: 2e-3 },
} as const

// One thread, so that the file does not depend on how many there are, and so that the run bears company.
const device = await resolveDevice('cpu', { threads: 1 })
setDefaultDevice(device)

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
const stepsOf = (steps: number): number => (probe ? 10 : steps)

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

/** Where the state of a stage is kept while it runs, so that an interrupted run goes on. Another recipe, or other texts, have another name. */
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
  const file = kept('pretraining', [recipe.pretrain, bookIds.join()])
  const state = await keptState(file)
  const run = train({
    ...(state === undefined ? { config, weights: initWeights(config, { seed }) } : { state }),
    data: randomWindows(bookIds, { ...recipe.pretrain, seed }),
    steps: stepsOf(recipe.pretrain.steps),
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
  const { rows } = recipe.finetune
  const file = kept('fine-tuning', [recipe, bookIds.join(), learnt.map(({ ids }) => ids.join())])
  const state = await keptState(file)
  const run = sft({
    ...(state === undefined ? { policy: { config, weights: start } } : { state }),
    data: learnt,
    steps: stepsOf(finetuneSteps),
    rows,
    learningRate: scheduleOf({ ...recipe.finetune, horizon: finetuneSteps }),
    optimizer,
    seed,
  })
  for await (const { index, steps, metrics } of run) {
    report('fine-tuning', index, steps, metrics)
    if (index % 50 === 0 || index === steps) await keep(file, run.state())
  }
  return run.release()
}

const text = book()
const cut = text.lastIndexOf('\n\nCHAPTER ', text.length * 0.95)
const bookIds = tokenizer.encode(text.slice(0, cut))
const validation = sequentialWindows(tokenizer.encode(text.slice(cut)), recipe.pretrain)

const allTopics = topics()
const questions = questionsOf(allTopics)
// Held out are questions that were written by hand, so that none differs from a learnt one by its frame alone.
const heldOut = questions.filter(({ written }) => written).filter((_, i) => i % 12 === 5)
const rendered = { tokenizer, template, maxLength: recipe.context } as const
const rowsOf = (messages: readonly Message[]) => prepareSft([{ messages }], rendered)
const held = heldOut.flatMap(({ text: content, topic }) =>
  topic.say.flatMap((answer) =>
    rowsOf([
      { role: 'user', content },
      { role: 'assistant', content: answer },
    ]),
  ),
)
const conversations = conversationsOf(
  questions.filter((question) => !heldOut.includes(question)),
  {
    passes: recipe.finetune.passes,
    random: random(seed).stream('conversations'),
    measure: (messages) => rowsOf(messages)[0]!.ids.length,
    longest: recipe.finetune.longest,
  },
)
const learnt = prepareSft(conversations, rendered)
const finetuneSteps = Math.floor(learnt.length / recipe.finetune.rows)
console.log(
  `${device.description}; ${countParameters(config).total} parameters; ${questions.length} questions, ${heldOut.length} held out; ` +
    `${learnt.length} conversations, ${finetuneSteps} steps of fine-tuning`,
)

const english = await pretrained()
const bookLoss = (await evaluate(english, validation, { config, batches: 12 })).loss
const before = (await evaluateSft(english, held, { config })).loss
console.log(`book, held out: ${bookLoss.toFixed(3)}; answers before fine-tuning, held out: ${before.toFixed(3)}`)

const weights = await finetuned(english)
const after = (await evaluateSft(weights, held, { config })).loss
console.log(`answers, held out: ${after.toFixed(3)}; ${seconds()}`)

const bytes = await encodeModel({ config, weights }, { dtype: 'f16', metadata: { format: 'tesserae-demo' } })
// Asked is what the visitor gets: the file, rounded to float16.
using model = await createModel({ ...(await decodeModel(bytes, 'model.safetensors')), tokenizer })
async function answerTo(question: string): Promise<string> {
  const { text: answer = '' } = await model.generate(promptIds([{ role: 'user', content: question }], tokenizer, recipe.context), {
    maxTokens: 60,
    sampler: sampler({ temperature: 0.5, topP: 0.95, seed }),
    stop: [endId(tokenizer)],
  })
  return answer.trim()
}
const asked = async (texts: readonly string[]): Promise<Sample[]> => {
  const samples: Sample[] = []
  for (const question of texts) samples.push({ question, answer: await answerTo(question) })
  return samples
}
const answersToHeldOut = await asked(heldOut.map((question) => question.text))
const fitting = heldOut.filter(({ topic }, i) => topic.say.includes(answersToHeldOut[i]!.answer)).length
const samples = {
  suggested: await asked(starters),
  // Evenly spread over the topics, good or bad.
  heldOut: answersToHeldOut.filter((_, i) => i % 6 === 0),
  strange: await asked(strangeQuestions),
}
for (const [kind, list] of Object.entries({ ...samples, heldOut: answersToHeldOut }))
  for (const { question, answer } of list) console.log(`${kind}> ${question}\n  ${answer}`)
console.log(`held out, with an answer of its topic word for word: ${fitting} of ${heldOut.length}`)

if (!probe) {
  const folder = new URL('chat/', public_)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('model.safetensors', folder), bytes)
  const card = modelCard({
    recipe: { ...recipe, finetune: { ...recipe.finetune, steps: finetuneSteps, horizon: finetuneSteps } },
    seed,
    parameters: countParameters(config).total,
    vocabSize: tokenizer.vocabSize,
    bytes: bytes.byteLength,
    topics: allTopics.length,
    questions: questions.length,
    heldOut: heldOut.length,
    fitting,
    losses: { book: bookLoss, before, after },
    samples,
  })
  writeFileSync(new URL('MODEL-CARD.md', folder), card)
}
console.log(`${bytes.byteLength} bytes of float16, ${seconds()}`)
