/** Where servers of OpenAI's interface differ. */
import { hashString } from '@tesserae/core'
import { TransformerError } from '../errors.js'
import { samplingOf, type LmSampling } from '../lm/sampling.js'
import type { LmOptions } from '../lm/types.js'
import type { AnswerSchema } from '../lm/schema.js'

/** openai: OpenAI's own fields and no more, which every server reads. */
export type RemoteServer = 'openai' | 'vllm' | 'llama.cpp' | 'tgi' | 'ollama' | 'tesserae'

interface Dialect {
  /** Names of settings that OpenAI does not have; those that are missing cannot be sent. */
  readonly extra: Readonly<Partial<Record<'topK' | 'minP' | 'repetitionPenalty' | 'stopIds' | 'templateVariables', string>>>
  /** The fields that ask for a schema in a chat, and in a completion where there are any. */
  readonly chatSchema: (schema: unknown) => object
  readonly textSchema?: (schema: unknown) => object
  /** A choice that names a tool is read; where it is not, only that tool is sent, and required. */
  readonly namesTools: boolean
  /** The way to the ids of a text, beside the interface. */
  readonly tokenize?: {
    readonly path: string
    readonly body: (text: string, model: string) => object
    readonly read: (answer: unknown) => unknown
  }
}

const jsonSchema = (schema: unknown): object => ({ response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } })
const tokensOf = (answer: unknown): unknown => (answer as { readonly tokens?: unknown } | null)?.tokens

/** vLLM's own, which `serve` takes too. docs.vllm.ai, "OpenAI-Compatible Server": extra parameters. */
const vllmFields: Dialect['extra'] = {
  topK: 'top_k',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  stopIds: 'stop_token_ids',
  templateVariables: 'chat_template_kwargs',
}

export const DIALECTS: Readonly<Record<RemoteServer, Dialect>> = {
  openai: { extra: {}, chatSchema: jsonSchema, namesTools: true },
  ollama: { extra: {}, chatSchema: jsonSchema, namesTools: true },
  // structured_outputs took the place of guided_json in 0.12.
  vllm: {
    extra: vllmFields,
    chatSchema: jsonSchema,
    namesTools: true,
    textSchema: (schema) => ({ guided_json: schema, structured_outputs: { json: schema } }),
    tokenize: { path: '/tokenize', body: (prompt, model) => ({ model, prompt }), read: tokensOf },
  },
  // llama.cpp, tools/server/README.md.
  'llama.cpp': {
    extra: { topK: 'top_k', minP: 'min_p', repetitionPenalty: 'repeat_penalty', templateVariables: 'chat_template_kwargs' },
    chatSchema: jsonSchema,
    // It wants a text there, and takes anything else for 'auto' (server-common.cpp).
    namesTools: false,
    textSchema: (schema) => ({ json_schema: schema }),
    tokenize: { path: '/tokenize', body: (content) => ({ content, add_special: true, parse_special: false }), read: tokensOf },
  },
  // huggingface.co/docs/text-generation-inference, "Guidance".
  tgi: {
    extra: {},
    chatSchema: (schema) => ({ response_format: { type: 'json', value: schema } }),
    namesTools: true,
    tokenize: {
      path: '/tokenize',
      body: (inputs) => ({ inputs }),
      read: (answer) => (Array.isArray(answer) ? answer.map((one: { readonly id?: unknown } | null) => one?.id) : undefined),
    },
  },
  tesserae: {
    namesTools: true,
    extra: vllmFields,
    chatSchema: jsonSchema,
  },
}

/** What chats and completions have in common. Errors: UNSUPPORTED for what the server has no field for. */
export function sharedBody(options: LmOptions, server: RemoteServer): Record<string, unknown> {
  const { extra } = DIALECTS[server]
  const sampling = samplingOf(options.sampler, 'a remote model')
  const lacking = (what: string): TransformerError =>
    new TransformerError(
      'UNSUPPORTED',
      `servers of kind '${server}' have no field for ${what}; leave it out, or say by the option server which kind it is`,
    )
  if (options.contrastive !== undefined) throw lacking('contrastive')
  const body: Record<string, unknown> = {}
  const set = (field: string | undefined, value: unknown, what: string): void => {
    if (value === undefined) return
    if (field === undefined) throw lacking(what)
    body[field] = value
  }
  const stop = options.stop ?? []
  const texts = stop.filter((one) => typeof one === 'string')
  const ids = stop.filter((one) => typeof one === 'number')
  set('max_tokens', options.maxTokens, '')
  set('temperature', sampling.temperature, '')
  set('top_p', sampling.topP, '')
  set('frequency_penalty', sampling.frequencyPenalty, '')
  set('presence_penalty', sampling.presencePenalty, '')
  set('logit_bias', sampling.logitBias, '')
  set('seed', seedOf(sampling), '')
  set('stop', texts.length === 0 ? undefined : texts, '')
  set(extra.topK, sampling.topK === 0 ? undefined : sampling.topK, 'topK')
  set(extra.minP, sampling.minP === 0 ? undefined : sampling.minP, 'minP')
  set(extra.repetitionPenalty, sampling.repetitionPenalty === 1 ? undefined : sampling.repetitionPenalty, 'repetitionPenalty')
  set(extra.stopIds, ids.length === 0 ? undefined : ids, 'stop ids; texts it can')
  set(extra.templateVariables, options.templateVariables, 'templateVariables')
  return body
}

/** Seeds are integers there. */
const seedOf = ({ seed }: LmSampling): number | undefined => (typeof seed === 'string' ? hashString(seed)[0] >>> 1 : seed)

/** Fields that ask for a schema. Errors: UNSUPPORTED for a text, where the server can hold to one in chats only. */
export function schemaBody(schema: AnswerSchema | undefined, isChat: boolean, server: RemoteServer): object {
  if (schema === undefined) return {}
  const { chatSchema, textSchema } = DIALECTS[server]
  if (isChat) return chatSchema(schema.json)
  if (textSchema !== undefined) return textSchema(schema.json)
  throw new TransformerError(
    'UNSUPPORTED',
    `servers of kind '${server}' keep to a schema in conversations alone; give messages in place of a text`,
  )
}
