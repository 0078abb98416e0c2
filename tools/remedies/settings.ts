import type { LanguageModelLike } from '@tesserae/core'
import { abstainingSchema, type RagAnswerOptions } from '@tesserae/rag'

/** One way to answer, a row of the table. */
export interface Setting {
  readonly name: string
  /** Tokens of a chunk. */
  readonly chunk: number
  readonly options: RagAnswerOptions
  /** Whether it looks into the documents: without that no question is unanswerable by design. */
  readonly retrieves: boolean
}

const extractiveRow = (name: string, options: RagAnswerOptions, chunk = 256): Setting => ({ name, chunk, options, retrieves: true })

/** Rows without a model: what retrieval and abstention alone bring. */
export const extractiveSettings: readonly Setting[] = [
  extractiveRow('extractive: first passage, 1 sentence', { k: 1, sentences: 1, threshold: 0 }),
  extractiveRow('extractive: 8 passages, 1 sentence', { k: 8, sentences: 1, threshold: 0 }),
  extractiveRow('extractive: 8 passages, 2 sentences', { k: 8, sentences: 2, threshold: 0 }),
  extractiveRow('… chunks of 64 tokens', { k: 8, sentences: 2, threshold: 0 }, 64),
  extractiveRow('… chunks of 128 tokens', { k: 8, sentences: 2, threshold: 0 }, 128),
  extractiveRow('extractive, abstains below 0.4', { threshold: 0.4 }),
  extractiveRow('extractive, abstains below 0.5 (default)', {}),
  extractiveRow('extractive, abstains below 0.6', { threshold: 0.6 }),
  extractiveRow('extractive, abstains below 0.75', { threshold: 0.75 }),
]

/** Names of the rows that need a model that follows instructions. */
export const modelRows = [
  'closed-book',
  'closed-book, temperature 0',
  'with retrieval',
  'with a search tool',
  'with a schema that allows abstention',
] as const

/**
 * Rows with a model: each remedy against invention on its own. The first samples, at a temperature that is said because some models' own is 0; from
 * the second on it is 0. `shared` holds for all of them.
 */
export function modelSettings(model: LanguageModelLike, shared: Pick<RagAnswerOptions, 'tokenBudget'> = {}): Setting[] {
  const warm = { ...shared, model, temperature: 1, maxOutputTokens: 400 }
  const cold = { ...warm, temperature: 0 }
  const [closed, closedCold, retrieval, tool, schema] = modelRows
  return [
    { name: closed, chunk: 256, retrieves: false, options: { ...warm, retrieval: 'none' } },
    { name: closedCold, chunk: 256, retrieves: false, options: { ...cold, retrieval: 'none' } },
    { name: retrieval, chunk: 256, retrieves: true, options: cold },
    { name: tool, chunk: 256, retrieves: true, options: { ...cold, retrieval: 'tool' } },
    { name: schema, chunk: 256, retrieves: true, options: { ...cold, schema: abstainingSchema } },
  ]
}
