// Bar 2: models that people run, beside llama.cpp's.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QuantizedInputs } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { createModel, loadModel, type DecoderModel } from '@tesserae/transformer'
import { loadCheckpoint, quantizeGguf } from '@tesserae/transformer/node'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { realModel } from '../models.js'
import { askLlama, LLAMA_CPP } from '../peers/llama-cpp.js'

const TEXTS = [
  'The capital of France is',
  'Once upon a time there was a little girl who',
  'Water boils at a temperature of',
  'The three primary colours are',
  'In 1969, the first human being to walk on the Moon',
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
  'const sum = (numbers) => numbers.reduce(',
  'To make pancakes you need flour, eggs and',
  'The largest planet of the solar system is',
  'Call me Ishmael. Some years ago',
  'Dear Sir or Madam,\n\nI am writing to',
  'The opposite of hot is',
  '1, 2, 3, 4, 5, 6,',
  'Die Hauptstadt von Deutschland ist',
  'El perro come',
  'Photosynthesis is the process by which plants',
  'Q: What is the square root of 81?\nA:',
  '{"name": "Alice", "age": 30, "city": "',
  'The whale swims in the',
  '# Introduction\n\nThis document describes',
]
const TOKENS = 32
/** Logits that lie so near to each other may change places with the rounding of activations, which differs. */
const NEAR = 0.05
/** Characters of an answer that goes astray as another does. */
const BEGINNING = 10

const source: RowSource = async ({ log }) => [
  ...(await against('Gemma 3 270M Q4_K_M', 'gemma-3-270m-q4_k_m.gguf', log)),
  ...(await against('SmolLM2-135M-Instruct Q4_1', 'SmolLM2-135M-Instruct.Q4_1.gguf', log)),
  await asked('rounded'),
  await asked('f32'),
]
export default source

type Log = (line: string) => void

/**
 * Greedy ids of all texts beside llama.cpp's: of the file, and of its weights as F16, with which llama.cpp does not round what goes into its products to 8 bits, so that little but the model is left to differ.
 * The file with inputs that are not rounded either is held to those of the latter.
 */
async function against(label: string, file: Parameters<typeof realModel>[0], log: Log): Promise<Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-real-'))
  try {
    const path = realModel(file)
    const halves = join(scratch, 'f16.gguf')
    await quantizeGguf(path, halves, { type: 'f16', requantize: true })
    return [
      await compared(`${label} as F16`, halves, { dtype: 'f32' }, log),
      await compared(label, path, { dtype: 'auto' }, log),
      await compared(`${label}, inputs of products in 16 bits`, path, { dtype: 'auto', activations: 'f32', beside: halves }, log),
    ]
  } catch (error) {
    return [unavailable(`${label} beside llama.cpp`, `${TEXTS.length} of ${TEXTS.length}`, error)]
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

interface How {
  readonly dtype: 'auto' | 'f32'
  readonly activations?: QuantizedInputs
  /** What llama.cpp reads, where it is another file. */
  readonly beside?: string
}

async function compared(label: string, path: string, { dtype, activations = 'rounded', beside = path }: How, log: Log): Promise<Row> {
  const theirs = await askLlama({ model: beside, capacity: 512, texts: TEXTS, maxTokens: TOKENS })
  const loaded = await loadCheckpoint(path, { dtype })
  const tokenizer = Tokenizer.fromGGUF(loaded.metadata!)
  using model = await createModel({ ...loaded, tokenizer, capacity: 512, activations })
  let [same, near, prompts] = [0, 0, 0]
  const others: string[] = []
  for (const [i, text] of TEXTS.entries()) {
    const { prompt, ids } = theirs[i]!
    if (tokenizer.encode(text).join() === prompt.join()) prompts++
    const own = (await model.generate(prompt, { maxTokens: TOKENS })).ids
    const at = ids.findIndex((id, k) => id !== own[k])
    if (at < 0) {
      same++
      continue
    }
    const apart = await difference(model, [...prompt, ...ids.slice(0, at)], own[at]!, ids[at]!)
    if (Math.abs(apart) <= NEAR) near++
    others.push(`${JSON.stringify(text.slice(0, 24))} from token ${at + 1} on by ${apart.toFixed(3)}`)
  }
  log(`${label}, ${dtype}: ${same} the same, ${near} near; ${others.join('; ')}`)
  return row(
    `${label}: texts whose ${TOKENS} most likely tokens are llama.cpp's, or whose first other one has a logit as near as ${NEAR}`,
    `${TEXTS.length} of ${TEXTS.length}`,
    `${same + near} of ${TEXTS.length}`,
    same + near === TEXTS.length,
    `${LLAMA_CPP}; ${same} all the same; ids of the text the same: ${prompts}${others.length === 0 ? '' : `; logits of the two tokens where they part: ${others.join('; ')}`}`,
  )
}

/** By how much one id's logit is above another's after a text. */
async function difference(model: DecoderModel, ids: readonly number[], own: number, other: number): Promise<number> {
  const logits = (await model.logits(ids)).subarray((ids.length - 1) * model.config.vocabSize)
  return logits[own]! - logits[other]!
}

/** Whether a model that follows instructions answers as one would; with rounded inputs, as far as llama.cpp does, which rounds them too. */
async function asked(activations: QuantizedInputs): Promise<Row> {
  const figure = `SmolLM2-135M-Instruct, by its template, activations '${activations}': "What is the capital of France?"`
  const target = activations === 'f32' ? 'Paris' : 'Paris, or begins as llama.cpp'
  try {
    const path = realModel('SmolLM2-135M-Instruct.Q4_1.gguf')
    const lm = await loadModel(path, { activations })
    const question = [{ role: 'user', content: 'What is the capital of France?' }] as const
    const { text } = await lm.generate(question, { maxTokens: 40 })
    const prompt = [...(await lm.tokenize(question))]
    const [answer] = activations === 'f32' ? [] : await askLlama({ model: path, capacity: 512, texts: [prompt], maxTokens: 40 })
    const theirs = answer === undefined ? undefined : lm.tokenizer.decode(answer.ids)
    await lm.dispose()
    const isRight =
      text.includes('Paris') ||
      (theirs !== undefined && !theirs.includes('Paris') && theirs.slice(0, BEGINNING) === text.slice(0, BEGINNING))
    return row(
      figure,
      target,
      JSON.stringify(text),
      isRight,
      theirs === undefined ? undefined : `${LLAMA_CPP} on the same ids: ${JSON.stringify(theirs)}`,
    )
  } catch (error) {
    return unavailable(figure, target, error)
  }
}
