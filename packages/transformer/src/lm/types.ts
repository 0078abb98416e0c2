/** What a language model does for its callers, wherever it runs: loaded here, in a worker, or behind an address. */
import type { Tool, ToolCall, ToolChoice, ToolName } from '@tesserae/sampling/tools'
import type { ContrastiveSettings, SamplerLike } from '../generate/types.js'
import type { LmSampling } from './sampling.js'

/** One message of a conversation. */
export type LmMessage =
  | { readonly role: 'system' | 'developer' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly reasoning?: string; readonly toolCalls?: readonly LmToolCall[] }
  | { readonly role: 'tool'; readonly content: string; readonly toolCallId: string; readonly name?: string }

/** A call that a model made: `arguments` is what its schema describes, `id` is unique within a conversation. */
export interface LmToolCall<Name extends string = string> extends ToolCall<Name> {
  readonly id: string
}

/** A conversation, which is written by the model's template; a text, which is gone on with as it is; or ids. */
export type LmPrompt = string | readonly LmMessage[] | ArrayLike<number>

/** A Standard Schema (standardschema.dev), such as Zod's and Valibot's, as far as it is used here. */
export interface StandardSchemaLike<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => unknown
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** A JSON Schema, or a Standard Schema that can be turned into one. */
export type LmSchema = Readonly<Record<string, unknown>> | boolean | StandardSchemaLike

/** What a result of a schema is typed as: a Standard Schema's output, else unknown. */
export type SchemaOutput<Schema> = Schema extends StandardSchemaLike<infer Output> ? Output : unknown

export interface LmOptions<Schema extends LmSchema | undefined = LmSchema | undefined, Tools extends readonly Tool[] = readonly Tool[]> {
  /** Most tokens to sample; default as many as there is room for. */
  readonly maxTokens?: number
  /**
   * Settings, where those left out are the model's own; or an object that chooses, which only a model in this thread can use. Default the model's own settings, else the most likely
   * token each time.
   */
  readonly sampler?: LmSampling | SamplerLike
  /**
   * Contrastive search, as of `DecoderModel`: of the likeliest tokens the one whose state is least like those before. In place of a sampler, for models in this process, without a schema and calls.
   */
  readonly contrastive?: ContrastiveSettings
  /** Texts and ids that end the answer, beside the model's own. */
  readonly stop?: readonly (string | number)[]
  /** The answer is JSON that is valid by it. */
  readonly schema?: Schema
  /** Functions that the model may call. */
  readonly tools?: Tools
  /** Default 'auto' where there are tools. */
  readonly toolChoice?: ToolChoice<ToolName<Tools>>
  /** Whether there may be several calls in one answer; default true, and false where `toolChoice` names a tool. */
  readonly parallelToolCalls?: boolean
  /** With each token its log-probability under the model, and of this many most likely ones; true is 0. */
  readonly logprobs?: boolean | number
  /** Further variables of the template, such as `enable_thinking`. */
  readonly templateVariables?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

/** stop: the model ended, or a stop text came. length: maxTokens. context: no room left. tool-calls: the answer ends with calls. */
export type LmFinishReason = 'stop' | 'length' | 'context' | 'tool-calls'

export interface LmUsage {
  readonly promptTokens: number
  /** Of those, tokens whose keys and values were there already. */
  readonly cachedTokens: number
  readonly completionTokens: number
}

/** One token with what else might have come in its place. */
export interface LmLogprob {
  readonly id: number
  /** Bytes of the token; they need not be whole characters. */
  readonly bytes: Uint8Array
  readonly logprob: number
  readonly top: readonly { readonly id: number; readonly bytes: Uint8Array; readonly logprob: number }[]
}

/** A part of an answer as it comes. The last is `finish`. */
export type LmPart<Name extends string = string, Output = unknown> =
  | {
      readonly type: 'text' | 'reasoning'
      readonly text: string
      readonly ids: readonly number[]
      readonly logprobs?: readonly LmLogprob[]
    }
  /** What is certain of a call's arguments, as JSON text that is added to what came before. */
  | { readonly type: 'tool-call-delta'; readonly id: string; readonly name: Name; readonly delta: string }
  | { readonly type: 'tool-call'; readonly call: LmToolCall<Name> }
  /** With a schema: the answer as far as it is known, each time it grows. */
  | { readonly type: 'object'; readonly partial: unknown }
  | { readonly type: 'finish'; readonly result: LmResult<Name, Output> }

export interface LmResult<Name extends string = string, Output = unknown> {
  /** The answer without reasoning, calls and what stopped it. */
  readonly text: string
  readonly reasoning: string
  /** Every sampled id. */
  readonly tokens: readonly number[]
  readonly toolCalls: readonly LmToolCall<Name>[]
  /** With a schema: the answer's value. Undefined where it was cut off. */
  readonly object: Output | undefined
  readonly logprobs: readonly LmLogprob[] | undefined
  readonly usage: LmUsage
  readonly finishReason: LmFinishReason
  readonly seconds: { readonly prefill: number; readonly decode: number }
}

/** What is known of a model. */
export interface LmInfo {
  /** Name for people and servers: of the folder, the file or the hub's id. */
  readonly id: string
  readonly architecture: string
  /** Tokens of a prompt and its answer together. */
  readonly context: number
  readonly parameters: number | undefined
  readonly licence: string | undefined
  readonly hasChatTemplate: boolean
}

/** How a model is that runs elsewhere. */
export interface LmHealth {
  readonly copies: number
  /** Copies that can answer now. */
  readonly ready: number
  /** How often one was started again. */
  readonly restarts: number
  /** Why those that cannot answer cannot. */
  readonly reasons: readonly string[]
}

/**
 * A language model. Calls may run side by side; a model that can do several at once does, others wait in turn.
 *
 * Errors of a call: CAPACITY with the numbers, TOKEN, OPTION, UNSUPPORTED for what this model cannot do, and AbortError within one step of its signal.
 */
export interface Lm {
  readonly info: LmInfo
  stream<const Tools extends readonly Tool[] = readonly [], Schema extends LmSchema | undefined = undefined>(
    prompt: LmPrompt,
    options?: LmOptions<Schema, Tools>,
  ): AsyncGenerator<LmPart<ToolName<Tools>, SchemaOutput<Schema>>, void, undefined>
  generate<const Tools extends readonly Tool[] = readonly [], Schema extends LmSchema | undefined = undefined>(
    prompt: LmPrompt,
    options?: LmOptions<Schema, Tools>,
  ): Promise<LmResult<ToolName<Tools>, SchemaOutput<Schema>>>
  /** Ids of a text, and of a conversation as the model's template writes it. */
  tokenize(prompt: LmPrompt, options?: Pick<LmOptions, 'tools' | 'templateVariables'>): Promise<Uint32Array>
  /** How it is, where it can come to grief by itself, as in a worker. */
  readonly health?: () => LmHealth
  /** Frees what it holds; calls under way end with an error first. */
  dispose(): Promise<void>
}
