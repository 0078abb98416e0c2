import { TokenizerError } from '../../errors.js'
import type { Pipeline } from '../../pipeline/pipeline.js'
import { own } from './fields.js'
import { fail, isRecord } from './json.js'

type TokenName = string | { readonly content: string } | null

/**
 * The part of a `tokenizer_config.json` that is used. Its `clean_up_tokenization_spaces` is not: decoding follows Hugging Face's tokenizers library, where the
 * `decoder` of the file says all, and not what their transformers library does to the text afterwards.
 */
export interface TokenizerConfig {
  readonly bos_token?: TokenName
  readonly eos_token?: TokenName
  readonly pad_token?: TokenName
  readonly unk_token?: TokenName
  /** Whether encoding puts `bos_token` in front, where the `post_processor` of the file adds nothing itself. */
  readonly add_bos_token?: boolean | null
  /** Likewise `eos_token` behind. */
  readonly add_eos_token?: boolean | null
  /** A template for chats, or several by name. */
  readonly chat_template?: string | readonly { readonly name: string; readonly template: string }[] | null
  /** The longest text in tokens that the model takes; files for models without a limit give a huge number. */
  readonly model_max_length?: number | null
}

/** What a configuration says of a tokenizer. */
export interface ConfigParts {
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  readonly padId: number | undefined
  readonly unkId: number | undefined
  /** Templates by name; the one without a name of its own is `default`. */
  readonly chatTemplates: ReadonlyMap<string, string>
  readonly modelMaxLength: number | undefined
}

/** The configuration as text or as its parsed value. */
export function parseConfig(config: unknown): TokenizerConfig | undefined {
  if (config === undefined || config === null) return undefined
  let value = config
  if (typeof config === 'string') {
    try {
      value = JSON.parse(config)
    } catch (cause) {
      throw new TokenizerError('FILE', `tokenizer_config.json is not JSON: ${(cause as Error).message}`, { cause })
    }
  }
  if (!isRecord(value)) throw fail('the configuration', 'an object', value)
  return value
}

export function readConfig(config: TokenizerConfig | undefined, pipeline: Pipeline): ConfigParts {
  const record = (config ?? {}) as Readonly<Record<string, unknown>>
  const idOf = (name: string): number | undefined => {
    const content = tokenName(record, name)
    if (content === undefined) return undefined
    const id = pipeline.tokenToId(content)
    if (id === undefined) throw fail(`${name} of the configuration`, 'a token of the vocabulary', content)
    return id
  }
  const longest = own(record, 'model_max_length')
  return {
    bosId: idOf('bos_token'),
    eosId: idOf('eos_token'),
    padId: idOf('pad_token'),
    unkId: idOf('unk_token'),
    chatTemplates: readTemplates(own(record, 'chat_template')),
    // 10^30 stands for no limit.
    modelMaxLength: typeof longest === 'number' && longest > 0 && longest <= Number.MAX_SAFE_INTEGER ? longest : undefined,
  }
}

/** The written form of a token that a configuration names. */
export function tokenName(config: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = own(config, name)
  if (value === undefined || value === null) return undefined
  const content = isRecord(value) ? own(value, 'content') : value
  if (typeof content !== 'string') throw fail(`${name} of the configuration`, 'a token', value)
  return content
}

function readTemplates(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined || value === null) return new Map()
  if (typeof value === 'string') return new Map([['default', value]])
  if (!Array.isArray(value)) throw fail('chat_template of the configuration', 'a string or a list', value)
  return new Map(
    value.map((entry: unknown, i) => {
      const name = isRecord(entry) ? own(entry, 'name') : undefined
      const template = isRecord(entry) ? own(entry, 'template') : undefined
      if (typeof name !== 'string' || typeof template !== 'string') {
        throw fail(`chat_template[${i}] of the configuration`, 'an object with name and template', entry)
      }
      return [name, template]
    }),
  )
}
