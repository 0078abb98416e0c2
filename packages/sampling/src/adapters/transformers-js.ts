/** Grammars for transformers.js: its tokenizers' vocabularies, and a logits processor. Nothing of it is imported; what is used of it is written down here. */
import { SamplingError } from '../errors.js'
import type { Grammar } from '../grammar/compile.js'
import type { Matcher } from '../grammar/matcher.js'
import { Vocabulary, type VocabularyOptions } from '../grammar/vocabulary.js'
import { byteLevelBytes, byteOfPiece, pieceBytes, textBytes } from './token-bytes.js'

/** The `Tokenizer` of `@huggingface/tokenizers`, as far as it is used. */
export interface TokenizersJsTokenizer {
  get_vocab(withAddedTokens?: boolean): ReadonlyMap<string | undefined, number>
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly content: string; readonly special: boolean }>
  readonly decoder: { readonly config: object } | null
}

/** The tokenizers of transformers.js, as far as they are used. */
export interface TransformersJsTokenizer {
  readonly _tokenizer: TokenizersJsTokenizer
  readonly eos_token_id?: number | null | undefined
}

/**
 * The vocabulary of a tokenizer of transformers.js, or of `@huggingface/tokenizers`: byte-level BPE, and pieces in SentencePiece's manner with or without byte tokens. Special tokens are no text.
 *
 * @param options.end tokens that end a text; default the tokenizer's end-of-sequence token. Models that end turns by another need both: `generation_config.eos_token_id` lists them
 * @throws SamplingError `VALUE` for tokenizers of other kinds, such as WordPiece, and where no token ends a text
 */
export function transformersVocabulary(
  tokenizer: TransformersJsTokenizer | TokenizersJsTokenizer,
  options: Partial<VocabularyOptions> = {},
): Vocabulary {
  const inner = '_tokenizer' in tokenizer ? tokenizer._tokenizer : tokenizer
  const eos = '_tokenizer' in tokenizer ? tokenizer.eos_token_id : undefined
  const end = options.end ?? (typeof eos === 'number' ? [eos] : [])
  if (end.length === 0)
    throw new SamplingError(
      'VALUE',
      'The tokenizer names no token that ends a text; give them: transformersVocabulary(tokenizer, { end: [id] })',
    )
  const bytesOf = bytesBy(inner.decoder?.config)
  const added = inner.get_added_tokens_decoder()
  const tokens: (Uint8Array | undefined)[] = []
  const set = (id: number, bytes: Uint8Array | undefined): void => {
    while (tokens.length <= id) tokens.push(undefined)
    tokens[id] = bytes
  }
  // Where a vocabulary's ids have gaps, it has no token there.
  for (const [token, id] of inner.get_vocab()) if (typeof token === 'string' && !added.has(id)) set(id, bytesOf(token))
  for (const [id, { content, special }] of added) set(id, special ? undefined : textBytes(content))
  return new Vocabulary(tokens, { end })
}

/** How tokens are written is what decoders undo. */
function bytesBy(config: object | undefined): (token: string) => Uint8Array {
  const decoders = flat(config)
  const has = (type: string): boolean => decoders.some((decoder) => decoder.type === type)
  if (has('ByteLevel')) return byteLevelBytes
  if (has('WordPiece') || has('BPEDecoder') || has('CTC') || !(has('Metaspace') || has('Replace') || has('ByteFallback')))
    throw new SamplingError(
      'VALUE',
      `The tokenizer's decoder is ${decoders.map(({ type }) => String(type)).join(', ') || 'missing'}; grammars need one of byte-level BPE or of SentencePiece, whose tokens are the same bytes wherever they stand`,
    )
  const fallsBack = has('ByteFallback')
  return (token) => {
    const byte = fallsBack ? byteOfPiece(token) : undefined
    return byte === undefined ? pieceBytes(token) : Uint8Array.of(byte)
  }
}

function flat(config: object | undefined): { readonly type?: unknown }[] {
  if (config === undefined) return []
  return 'decoders' in config && Array.isArray(config.decoders) ? (config.decoders as object[]).flatMap(flat) : [config]
}

/** A tensor of transformers.js, as far as it is used. */
export interface TransformersJsTensor {
  readonly data: unknown
  readonly dims: readonly number[]
}

/** A logits processor, which transformers.js's `LogitsProcessorList` takes. */
export interface GrammarLogitsProcessor {
  /** Sets the logits of what must not come next to −∞, in place. */
  (inputIds: readonly (readonly bigint[])[], logits: TransformersJsTensor): TransformersJsTensor
  _call(inputIds: readonly (readonly bigint[])[], logits: TransformersJsTensor): TransformersJsTensor
  /** The next call begins another generation, with prompts of its own. */
  reset(): void
}

/**
 * Lets transformers.js generate texts of a grammar only. What it is called with first are the prompts, and what comes behind them follows the grammar, each sequence of a batch by itself; a sequence may become
 * another's from one call to the next, as with beams. A finished text gets its end again and again.
 *
 * @example
 * const list = new LogitsProcessorList()
 * list.push(transformersProcessor(grammar.fromRegex('^\\d{4}$'), transformersVocabulary(tokenizer)))
 * await model.generate({ ...tokenizer('The year: '), logits_processor: list, max_new_tokens: 8 })
 * @throws SamplingError when called: `STATE` where the sequences do not go on from the last call, for it is of one generation until it is reset; `GRAMMAR` where a token came that was not allowed; `VALUE` for logits
 * that are not float32 of [sequences, vocabulary]
 */
export function transformersProcessor(grammar: Grammar, vocabulary: Vocabulary): GrammarLogitsProcessor {
  let rows: Row[] = []
  const bits = new Uint32Array(vocabulary.words)
  const call = (inputIds: readonly (readonly bigint[])[], logits: TransformersJsTensor): TransformersJsTensor => {
    if (rows.length === 0) rows = inputIds.map(({ length }) => new Row(grammar.matcher(vocabulary), length))
    const [count, size] = logits.dims
    if (logits.dims.length !== 2 || count !== rows.length || inputIds.length !== rows.length || !(logits.data instanceof Float32Array))
      throw new SamplingError(
        logits.data instanceof Float32Array && inputIds.length !== rows.length ? 'STATE' : 'VALUE',
        `${rows.length} sequences were begun; got ${inputIds.length} and logits of [${logits.dims.join(', ')}]: they must be float32 of [sequences, vocabulary]. For another generation make another processor, or reset() this one`,
      )
    for (const [i, row] of rows.entries()) {
      row.follow(inputIds[i]!)
      row.matcher.mask(bits)
      exclude(logits.data.subarray(i * size!, (i + 1) * size!), bits)
    }
    return logits
  }
  const reset = (): void => void (rows = [])
  return Object.assign(call, { _call: call, reset })
}

/** A sequence of a batch: the tokens behind its prompt, and where they are in the grammar. */
class Row {
  private readonly ids: number[] = []
  private calls = 0

  constructor(
    readonly matcher: Matcher,
    private readonly prompt: number,
  ) {}

  follow(sequence: readonly bigint[]): void {
    const length = sequence.length - this.prompt
    // The first call brings the prompt, and each one after it a token more.
    if (length !== this.calls)
      throw new SamplingError(
        'STATE',
        `A sequence of ${sequence.length} tokens came where ${this.prompt + this.calls} were to come; a processor is for one generation: make another, or reset() this one`,
      )
    this.calls++
    let same = 0
    while (same < this.ids.length && this.ids[same] === Number(sequence[this.prompt + same])) same++
    this.matcher.rollback(this.ids.length - same)
    this.ids.length = same
    for (let at = same; at < length; at++) {
      const id = Number(sequence[this.prompt + at])
      this.matcher.accept(id)
      this.ids.push(id)
    }
  }
}

/** What has no bit, and what the vocabulary does not know, is impossible. */
function exclude(logits: Float32Array, bits: Uint32Array): void {
  for (let word = 0; word * 32 < logits.length; word++) {
    const mask = bits[word] ?? 0
    if (mask === 0xffffffff) continue
    const to = Math.min(logits.length, word * 32 + 32)
    for (let id = word * 32; id < to; id++) if (((mask >>> (id & 31)) & 1) === 0) logits[id] = -Infinity
  }
}
