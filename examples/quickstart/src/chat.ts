import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { random } from '@tesserae/core'
import { chatTemplate, parseRows, renderPrompt, stopToken, type ConversationRow, type Message } from '@tesserae/rlhf'
import type { Tokenizer } from '@tesserae/tokenizer'
import { createBatchGenerator, type DecoderConfig, type DecoderWeights } from '@tesserae/transformer'
import { sampler } from '@tesserae/sampling'

/** How a conversation is written for the model: `<|user|>What is a whale?<|end|><|assistant|>A whale is …<|end|>`. */
export const template = chatTemplate({ user: '<|user|>', assistant: '<|assistant|>', end: '<|end|>' })

export const conversationsFile = join(import.meta.dirname, '../data/conversations.jsonl')

export interface Conversations {
  readonly train: readonly ConversationRow[]
  readonly heldOut: readonly ConversationRow[]
}

/** The conversations, a tenth of them held out. */
export async function conversations({ seed }: { readonly seed: number }): Promise<Conversations> {
  const rows = parseRows(await readFile(conversationsFile, 'utf8'), 'sft') as ConversationRow[]
  const order = [...random(seed).stream('held out').permutation(rows.length)].map((index) => rows[index]!)
  const held = Math.ceil(rows.length / 10)
  return { train: order.slice(held), heldOut: order.slice(0, held) }
}

/** What was asked first in each conversation, every question once. */
export const firstQuestions = (rows: readonly ConversationRow[]): string[] => [...new Set(rows.map(({ messages }) => messages[0]!.content))]

const asUser = (content: string): Message[] => [{ role: 'user', content }]

/** The ids of a question, up to the place where the answer begins. */
export const promptOf = (question: string, tokenizer: Tokenizer): Int32Array => renderPrompt(asUser(question), { tokenizer, template })

export interface AnswerOptions {
  readonly tokenizer: Tokenizer
  readonly maxTokens: number
  readonly temperature: number
  readonly seed: number | string
  readonly signal: AbortSignal
  readonly onProgress?: (tokens: number) => void
}

/** An answer of the model to each question; a question that comes twice is answered twice, each time with draws of its own. */
export async function answersTo(
  questions: readonly string[],
  { config, weights }: { readonly config: DecoderConfig; readonly weights: DecoderWeights },
  { tokenizer, maxTokens, temperature, seed, signal, onProgress }: AnswerOptions,
): Promise<string[]> {
  using generator = createBatchGenerator({ config, rows: 32 })
  const rows = await generator.generate(
    weights,
    questions.map((question) => promptOf(question, tokenizer)),
    {
      maxTokens,
      stop: [stopToken({ tokenizer, template })],
      sampler: (row) => sampler({ temperature, seed: `${seed}/${row}` }),
      signal,
      ...(onProgress === undefined ? {} : { onProgress: ({ completed }) => onProgress(completed) }),
    },
  )
  return rows.map(({ ids }) => textOf(ids, tokenizer))
}

/** The text of sampled ids without the roles' tokens. */
export function textOf(ids: readonly number[], tokenizer: Tokenizer): string {
  const decoder = tokenizer.decoder({ skipSpecial: true })
  return (ids.map((id) => decoder.push(id)).join('') + decoder.flush()).trim()
}
