import type { ChatMessage, ChatTokens, RenderChatOptions } from './chat/apply.js'
import { CoreTokenizer, type EncodeOptions } from './core-tokenizer.js'
import { assemble } from './encoding/assemble.js'
import { tokenizeBytes } from './encoding/byte-tokens.js'
import { countingOf } from './encoding/counting.js'
import type { Encoding } from './encoding/encoding.js'
import { Healer, type Healed } from './encoding/heal.js'
import { isWithin, TokenCounter, truncateText, type Counting } from './encoding/limits.js'
import {
  natural,
  oneOf,
  paddedLength,
  paddingRule,
  truncationRule,
  type BatchOptions,
  type EncodeWithOffsetsOptions,
} from './encoding/options.js'
import type { TokenizerParts } from './parts.js'
import type { LayoutPart, TokenSequence } from './pipeline/components.js'
import type { PaddingRule } from './pipeline/limits.js'
import { plainLayout } from './postprocessors/byte-level.js'
import { WrittenByUsers, type SpecialRule } from './special-tokens.js'

export type { DecodeOptions, EncodeOptions } from './core-tokenizer.js'

export interface ChatTemplateOptions extends RenderChatOptions {
  /** Whether to give ids rather than text. Default true. */
  readonly tokenize?: boolean
  /** Whether to say which tokens the assistant generates, as the template's `{% generation %}` blocks do. Default false. */
  readonly returnMask?: boolean
}

/** A chat as tokens; `mask` is 1 for those that the assistant generates. */
export interface MaskedChat {
  readonly ids: Uint32Array
  readonly mask: Uint8Array
  readonly text: string
}

const NO_TEMPLATES: ReadonlyMap<string, string> = new Map()

/** {@link CoreTokenizer} with what models and servers ask for besides: places, pairs, truncation, padding. */
export class TextTokenizer extends CoreTokenizer {
  private healer: Healer | undefined
  private counts: Counting | undefined

  /**
   * A text's tokens with their places, words, masks and segments, as Hugging Face tokenizers gives them. Truncation and padding are those of the tokenizer's file
   * unless given; {@link CoreTokenizer.encode} does neither.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; `VALUE` for options out of their range
   */
  encodeWithOffsets(text: string, options: EncodeWithOffsetsOptions = {}): Encoding {
    const { pair, ...rest } = options
    return this.encodeBatchWithOffsets([pair === undefined ? text : [text, pair]], rest)[0]!
  }

  /** The same for several texts or pairs, filled up to one length where `padding` asks for the longest. */
  encodeBatchWithOffsets(texts: readonly (string | readonly [string, string])[], options: BatchOptions = {}): Encoding[] {
    const { parts } = this
    const truncation = truncationRule(options.truncation, parts.truncation)
    const padding = this.paddingOf(options)
    const encodings = texts.map((entry) => {
      const sequences = (typeof entry === 'string' ? [entry] : entry).map((text) => this.tokenize(text, options.special ?? 'reject'))
      return assemble(sequences, this.layout(sequences.length === 2, options.addSpecial !== false), {
        unit: options.offsets ?? 'utf16',
        truncation,
      })
    })
    if (padding === undefined) return encodings
    const length = paddedLength(
      encodings.map((encoding) => encoding.length),
      padding,
    )
    return encodings.map((encoding) => encoding.padded({ ...padding, length }))
  }

  /**
   * A chat as ids, written by the template of the tokenizer's configuration or by one that is given. Special tokens are those of the template: their names in
   * messages, tools, documents and variables stay ordinary text. Needs the package `@huggingface/jinja`. Templates run in a sandbox, with limits.
   *
   * @throws TokenizerError `TEMPLATE` when the template is malformed, fails, raises an error or goes beyond its limits; `VALUE` for messages that are none,
   * `UNSUPPORTED` when `@huggingface/jinja` is not installed
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions & { readonly tokenize: false }): Promise<string>
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions & { readonly returnMask: true }): Promise<MaskedChat>
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Promise<Uint32Array>
  async applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): Promise<string | Uint32Array | MaskedChat> {
    const { renderChat, maskOf } = await import('./chat/apply.js')
    const { text, users, generated } = await renderChat(messages, this.chatTokens(), options)
    if (options.tokenize === false) return text
    const special = new WrittenByUsers(users)
    if (options.returnMask !== true) return this.encodeBy(text, { special, addSpecial: false })
    const { ids, starts, ends } = this.tokenize(text, special)
    return { ids, mask: maskOf(starts, ends, generated), text }
  }

  /** Templates of chats by name, as the tokenizer's configuration has them; the usual one is `default`. */
  get chatTemplates(): ReadonlyMap<string, string> {
    return this.parts.chatTemplates ?? NO_TEMPLATES
  }

  private chatTokens(): ChatTokens {
    const { bosId, eosId, padId, unkId } = this.parts
    const named = Object.entries({ bos_token: bosId, eos_token: eosId, pad_token: padId, unk_token: unkId })
    const names = new Map([...this.specialTokens].map(([name, id]) => [id, name]))
    return {
      templates: this.chatTemplates,
      specialTokens: this.specialTokens.keys(),
      named: Object.fromEntries(named.flatMap(([name, id]) => (id === undefined ? [] : [[name, names.get(id) ?? this.decode([id])]]))),
    }
  }

  /**
   * Whether a text has at most `limit` tokens. Stops where it has more, for tokenizers with a split known by name.
   *
   * @throws TokenizerError `VALUE` for a limit that is no whole number from 0 on; `SPECIAL_TOKEN` by the policy for what was read
   */
  isWithinLimit(text: string, limit: number, options: EncodeOptions = {}): boolean {
    natural('limit', limit)
    return isWithin(text, limit, options, this.counting)
  }

  /**
   * The longest beginning of a text that has at most `limit` tokens, in whole characters; with `side: 'left'` the beginning goes and the longest end stays.
   *
   * @throws TokenizerError `VALUE` for options out of their range; `SPECIAL_TOKEN` by the policy
   */
  truncateToTokens(
    text: string,
    limit: number,
    { side = 'right', ...options }: EncodeOptions & { readonly side?: 'left' | 'right' } = {},
  ): string {
    natural('limit', limit)
    oneOf('side', side, ['left', 'right'])
    return truncateText(text, limit, side, options, this.counting)
  }

  /** Counts the tokens of a text that grows: `push` gives the number for all of it so far. */
  counter(options: EncodeOptions = {}): TokenCounter {
    return new TokenCounter(this.counting, options)
  }

  /**
   * Takes off the last tokens of a prompt where what they stand for could be the beginning of other tokens, as long as it could; what is generated has to
   * begin with `prefixBytes` then. Special tokens stay.
   *
   * @throws TokenizerError `TOKEN_ID`, with the index, for an id without a token
   */
  heal(ids: Iterable<number>): Healed {
    return (this.healer ??= new Healer(this.parts.vocabulary, this.added.specialIds)).heal(ids)
  }

  private get counting(): Counting {
    return (this.counts ??= countingOf(this.parts, {
      count: (text, options) => this.count(text, options),
      tokenize: (text, { special = 'reject' }) => this.tokenize(text, special),
    }))
  }

  private tokenize(text: string, special: SpecialRule): TokenSequence {
    return this.parts.pipeline?.tokenize(text, special) ?? tokenizeBytes(text, special, this.parts, this.added)
  }

  /** The texts and, where wanted, what is put around them. */
  private layout(pair: boolean, addSpecial: boolean): readonly LayoutPart[] {
    const { pipeline } = this.parts
    const layout =
      pipeline === undefined ? prefixed(this.prefix, pair, this.parts) : (pipeline.postProcessor?.layout(pair) ?? plainLayout(pair))
    return addSpecial ? layout : layout.filter((part) => part.kind === 'sequence')
  }

  private paddingOf({ padding }: BatchOptions): PaddingRule | undefined {
    return paddingRule(padding, this.parts.padding, { padId: this.parts.padId, tokenOf: (id) => this.decode([id]) })
  }
}

/** The ids in front of a text as a layout. */
function prefixed(ids: readonly number[], pair: boolean, { vocabulary }: TokenizerParts): readonly LayoutPart[] {
  if (ids.length === 0) return plainLayout(pair)
  const utf8 = new TextDecoder()
  const tokens = ids.map((id) => utf8.decode(vocabulary.tokenBytes(id)))
  return [{ kind: 'special', ids, tokens, typeId: 0 }, ...plainLayout(pair)]
}
