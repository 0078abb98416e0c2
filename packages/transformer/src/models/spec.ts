/**
 * The answers of AI SDK's provider specification V3 as our models give them, spelled out so that a compiler finds them assignable to the SDK's
 * own types and to core's, and no package of the SDK is needed.
 */

/** What a call asked for and did not get. */
export type ModelWarning =
  | { type: 'unsupported'; feature: string; details?: string }
  | { type: 'compatibility'; feature: string; details?: string }
  | { type: 'other'; message: string }

export interface ModelFinish {
  unified: 'stop' | 'length'
  /** This package's own word: stop, length or context. */
  raw: string
}

export interface ModelTokenUsage {
  inputTokens: { total: number; noCache: number; cacheRead: number; cacheWrite: number }
  outputTokens: { total: number; text: number; reasoning: number }
}

/** A finished answer. */
export interface LanguageModelAnswer {
  content: { type: 'text'; text: string }[]
  finishReason: ModelFinish
  usage: ModelTokenUsage
  warnings: ModelWarning[]
}

/** The events of a streamed answer, in the order of this list. */
export type LanguageModelEvent =
  | { type: 'stream-start'; warnings: ModelWarning[] }
  | { type: 'response-metadata'; modelId: string }
  | { type: 'text-start'; id: string }
  | { type: 'text-delta'; id: string; delta: string }
  | { type: 'text-end'; id: string }
  | { type: 'finish'; finishReason: ModelFinish; usage: ModelTokenUsage }
  | { type: 'error'; error: unknown }
