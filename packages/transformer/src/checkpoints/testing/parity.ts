/** Tiny checkpoints and what transformers computes from them, see tools/transformer/generate-model-fixtures.py. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Device, DeviceName } from '@tesserae/tensor'
import type { DecoderWeights } from '../../architectures/weights.js'
import { createBatchGenerator } from '../../generate/batch.js'
import { createModel, type CreateModelOptions, type DecoderModel } from '../../generate/model.js'

export const fixtures = fileURLToPath(new URL('../__fixtures__/', import.meta.url))

export interface Answers {
  readonly prompt: readonly number[]
  /** The 20 tokens that follow it. */
  readonly greedy: readonly number[]
  /** Pieces of the prompt, side by side and padded, and what follows each. */
  readonly batch: { readonly pieces: readonly (readonly [number, number])[]; readonly greedy: readonly (readonly number[])[] }
  /** Positions of the prompt, and the logits behind them. */
  readonly rows: readonly number[]
  readonly logits: readonly (readonly number[])[]
  /** Logits behind the prompt and all that followed it. */
  readonly last: readonly number[]
}

/** Names of the checkpoints, `llama-f32` and so on. */
export const checkpointNames: readonly string[] = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .toSorted()

/** Of a GGUF file, `llama.gguf`, those of the checkpoint that it was made of. */
export const answersOf = (name: string): Answers =>
  JSON.parse(readFileSync(join(fixtures, name.replace(/\.gguf$/, '-f32'), 'answers.json'), 'utf8')) as Answers

const furthest = (ours: Float32Array, theirs: readonly number[]): number =>
  Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)))

/** Largest difference of a model's logits from transformers', behind the prompt and behind all that followed. */
export async function logitsApart(model: DecoderModel, { prompt, greedy, rows, logits, last }: Answers): Promise<number> {
  const size = model.config.vocabSize
  const all = await model.logits([...prompt, ...greedy])
  const behind = (row: number): Float32Array => all.subarray(row * size, (row + 1) * size)
  return Math.max(...rows.map((row, i) => furthest(behind(row), logits[i]!)), furthest(behind(prompt.length + greedy.length - 1), last))
}

/** What a model says behind the prompt. */
export const greedyOf = async (model: DecoderModel, { prompt, greedy }: Answers, useCache: boolean): Promise<readonly number[]> =>
  (await model.generate(prompt, { maxTokens: greedy.length, useCache })).ids

/** How far logits with the model's cache are from those of the whole text without one, step by step behind the prompt: the root of the mean square, as a share of that of the logits. */
export async function cacheError(model: DecoderModel, { prompt, greedy }: Answers): Promise<number> {
  const size = model.config.vocabSize
  const all = await model.logits([...prompt, ...greedy])
  using row = model.open(prompt)
  let [apart, whole] = [0, 0]
  for (const [step, id] of greedy.entries()) {
    const logits = await row.next()
    const exact = all.subarray((prompt.length - 1 + step) * size, (prompt.length + step) * size)
    for (const [i, value] of exact.entries()) {
      apart += (logits[i]! - value) ** 2
      whole += value ** 2
    }
    row.ids.push(id)
  }
  return Math.sqrt(apart / whole)
}

/** The same behind its pieces side by side. */
export async function batchOf(
  model: DecoderModel,
  { prompt, greedy, batch }: Answers,
  device?: Device | DeviceName,
): Promise<readonly (readonly number[])[]> {
  using generator = createBatchGenerator({ config: model.config, rows: 4, ...(device === undefined ? {} : { device }) })
  const prompts = batch.pieces.map(([from, to]) => prompt.slice(from, to))
  const rows = await generator.generate(model.weights as DecoderWeights, prompts, { maxTokens: greedy.length })
  return rows.map(({ ids }) => ids)
}

/** A model without cache of its longest context, which nothing here needs. */
export const parityModel = (options: CreateModelOptions): Promise<DecoderModel> => createModel({ ...options, capacity: 64 })
