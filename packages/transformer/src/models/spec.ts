/**
 * The answers of AI SDK's provider specification V3 as our models give them, spelled out so that a compiler finds them assignable to the SDK's
 * own types and to core's, and no package of the SDK is needed.
 */
import type { ModelJson } from '@tesserae/core'

/** What a call asked for and did not get. */
export type ModelWarning =
  | { type: 'unsupported'; feature: string; details?: string }
  | { type: 'compatibility'; feature: string; details?: string }
  | { type: 'other'; message: string }

export interface ModelFinish {
  unified: 'stop' | 'length' | 'tool-calls'
  /** This package's own word: stop, length, context or tool-calls. */
  raw: string
}

export interface ModelTokenUsage {
  inputTokens: { total: number; noCache: number; cacheRead: number; cacheWrite: number }
  /** Tokens of reasoning are not counted by themselves. */
  outputTokens: { total: number; text: undefined; reasoning: undefined }
}

/** Under the provider's name: `logprobs`, where they were asked for. */
export type ModelMetadata = Record<string, { [key: string]: ModelJson }>

export interface ModelToolCall {
  type: 'tool-call'
  toolCallId: string
  toolName: string
  /** The arguments as JSON text. */
  input: string
}

/** A finished answer. */
export interface LanguageModelAnswer {
  content: ({ type: 'text'; text: string } | { type: 'reasoning'; text: string } | ModelToolCall)[]
  finishReason: ModelFinish
  usage: ModelTokenUsage
  warnings: ModelWarning[]
  providerMetadata?: ModelMetadata
  response: { modelId: string }
}

/** The events of a streamed answer. Each stretch of text or reasoning, and each call, has a beginning, deltas and an end with one id. */
export type LanguageModelEvent =
  | { type: 'stream-start'; warnings: ModelWarning[] }
  | { type: 'response-metadata'; modelId: string }
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; id: string; toolName: string }
  | { type: 'tool-input-delta'; id: string; delta: string }
  | { type: 'tool-input-end'; id: string }
  | ModelToolCall
  | { type: 'finish'; finishReason: ModelFinish; usage: ModelTokenUsage; providerMetadata?: ModelMetadata }
  | { type: 'error'; error: unknown }
