/** Grammars for node-llama-cpp: its models' vocabularies, and generation. Nothing of it is imported; what is used of it is written down here. */
import { throwIfAborted } from '@tesserae/core'
import { samplerChain, type Sampler } from '../chain.js'
import { checkInteger } from '../check.js'
import { SamplingError } from '../errors.js'
import type { Grammar } from '../grammar/compile.js'
import { Vocabulary, type VocabularyOptions } from '../grammar/vocabulary.js'
import { greedy } from '../samplers/greedy.js'
import { byteLevelBytes, byteOfPiece, pieceBytes, textBytes } from './token-bytes.js'

/** The `LlamaModel` of node-llama-cpp, as far as it is used. Its tokens are numbers of a type of its own, which only it can name. */
export interface NodeLlamaModel {
  readonly fileInfo: {
    readonly metadata: {
      readonly tokenizer: {
        readonly ggml: { readonly model: string; readonly tokens: readonly string[]; readonly token_type: readonly number[] }
      }
    }
  }
  isEogToken(token: never): boolean
  detokenize(tokens: never): string
}

/** How llama.cpp types tokens; of other types there is no text. */
const [NORMAL, USER_DEFINED, BYTE] = [1, 4, 6]

/**
 * The vocabulary of a model of node-llama-cpp: byte-level BPE, and SentencePiece's.
 *
 * @param options.end tokens that end a text; default all that the model says end a generation
 * @throws SamplingError `VALUE` for vocabularies whose tokens are written otherwise, such as WordPiece's, and where no token ends a text
 */
export function llamaVocabulary(model: NodeLlamaModel, options: Partial<VocabularyOptions> = {}): Vocabulary {
  const { model: kind, tokens: written, token_type: types } = model.fileInfo.metadata.tokenizer.ggml
  const normal = kind === 'gpt2' ? byteLevelBytes : pieceBytes
  const tokens = written.map((token, id) => {
    const type = types[id]
    if (type === NORMAL) return normal(token)
    if (type === USER_DEFINED) return textBytes(token)
    const byte = type === BYTE ? byteOfPiece(token) : undefined
    return byte === undefined ? undefined : Uint8Array.of(byte)
  })
  checkTexts(model, tokens)
  const end = options.end ?? written.map((_, id) => id).filter((id) => model.isEogToken(id as never))
  if (end.length === 0)
    throw new SamplingError('VALUE', 'The model names no token that ends a text; give them: llamaVocabulary(model, { end: [id] })')
  return new Vocabulary(tokens, { end })
}

/** So many tokens are compared with what the model itself says they are. */
const COMPARED = 256

function checkTexts(model: NodeLlamaModel, tokens: readonly (Uint8Array | undefined)[]): void {
  const { model: kind, tokens: written } = model.fileInfo.metadata.tokenizer.ggml
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let [compared, same] = [0, 0]
  for (let at = 0; at < tokens.length; at += Math.ceil(tokens.length / COMPARED)) {
    const bytes = tokens[at]
    if (bytes === undefined || bytes.length < 2) continue
    let text: string
    try {
      text = decoder.decode(bytes)
    } catch {
      continue // a part of a character
    }
    const given = model.detokenize([at] as never)
    compared++
    // At the beginning of a text the model leaves a blank out.
    if (given === text || ` ${given}` === text) same++
  }
  if (same * 2 < compared)
    throw new SamplingError(
      'VALUE',
      `The vocabulary is of the kind ${JSON.stringify(kind)}, and ${compared - same} of ${compared} tokens are other texts than they are written as, such as ${JSON.stringify(written.at(-1))}; grammars need byte-level BPE ("gpt2") or SentencePiece's ("llama", "t5")`,
    )
}

type Logits<Token> = true | { readonly filter: { readonly tokens: readonly Token[]; readonly includeTop?: number } }

/** The `LlamaContextSequence` of node-llama-cpp, as far as it is used. */
export interface NodeLlamaSequence<Token extends number> {
  readonly nextTokenIndex: number
  controlledEvaluate(
    input: (
      | Token
      | [token: Token, options: { generateNext?: { logits?: boolean | { filter: { tokens: readonly Token[]; includeTop?: number } } } }]
    )[],
  ): Promise<({ readonly next: { readonly logits?: ReadonlyMap<Token, number> } } | undefined)[]>
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>
}

export interface LlamaGenerateOptions {
  readonly grammar: Grammar
  /** Of the sequence's model: {@link llamaVocabulary}. */
  readonly vocabulary: Vocabulary
  /** Chooses from what the grammar allows, and is told of the tokens of the prompt and of the text. Default the most likely token each time. */
  readonly sampler?: Sampler
  /** Most tokens; default as many as the grammar takes. */
  readonly maxTokens?: number
  /** Stops before the next token with an error named AbortError. */
  readonly signal?: AbortSignal
}

/** Up to so many allowed tokens are asked for by name, which llama.cpp looks for one by one. */
const BY_NAME = 256

/**
 * Generates a text of a grammar by a sequence of node-llama-cpp, token by token, without the token that ends it. The grammar comes first and the sampler behind it, as with `grammarStep` at the beginning of a chain: the
 * ids are the same. Of a model's logits only those are read that are needed: of the allowed tokens where they are few, else the highest. Where these do not tell, the last token is evaluated again and all
 * logits are read, which costs as much as several tokens do.
 *
 * @param tokens of the prompt; evaluated behind what the sequence holds
 * @example
 * const options = { grammar: grammar.fromRegex('^\\d{4}$'), vocabulary: llamaVocabulary(model) }
 * for await (const token of llamaGenerate(context.getSequence(), model.tokenize('The year: '), options)) tokens.push(token)
 * @throws SamplingError `VALUE` for a prompt without tokens and options that are none, `LOGITS` for a model whose logits are NaN; AbortError
 */
export async function* llamaGenerate<Token extends number>(
  sequence: NodeLlamaSequence<Token>,
  tokens: readonly Token[],
  options: LlamaGenerateOptions,
): AsyncGenerator<Token, void, undefined> {
  const { grammar, vocabulary, sampler = samplerChain([greedy()]), maxTokens = Infinity, signal } = options
  if (maxTokens !== Infinity) checkInteger('maxTokens', maxTokens, 0, Number.MAX_SAFE_INTEGER)
  if (tokens.length === 0) throw new SamplingError('VALUE', 'The prompt has no tokens; give one at least, such as the beginning of a text')
  const matcher = grammar.matcher(vocabulary)
  const mask = new Uint32Array(vocabulary.words)
  const reader = new Reader(sequence, vocabulary, sampler)
  for (const token of tokens) sampler.accept(token)
  let fresh = tokens
  for (let count = 0; count < maxTokens; count++) {
    throwIfAborted(signal, 'Generation')
    const id = await reader.choose(fresh, matcher.mask(mask))
    matcher.accept(id)
    sampler.accept(id)
    if (matcher.isEnded) return
    yield id as Token
    fresh = [id as Token]
  }
}

/** Reads as few logits as it takes to choose a token. */
class Reader<Token extends number> {
  private readonly top: number | undefined

  constructor(
    private readonly sequence: NodeLlamaSequence<Token>,
    private readonly vocabulary: Vocabulary,
    private readonly sampler: Sampler,
  ) {
    const count = sampler.topCount()
    // The mask takes some of them away.
    this.top = count === undefined || count * 8 > vocabulary.size ? undefined : count * 4
  }

  async choose(tokens: readonly Token[], mask: Uint32Array): Promise<number> {
    const { top } = this
    const few = allowedTokens<Token>(mask, BY_NAME)
    if (few !== undefined) return this.chooseFrom(await this.evaluate(tokens, { filter: { tokens: few } }), mask, true)!
    if (top !== undefined) {
      const highest = await this.evaluate(tokens, { filter: { tokens: [], includeTop: top } })
      const id = this.chooseFrom(highest, mask, false)
      if (id !== undefined) return id
      const end = this.sequence.nextTokenIndex
      await this.sequence.eraseContextTokenRanges([{ start: end - 1, end }])
      return this.chooseFrom(await this.evaluate(tokens.slice(-1), true), mask, true)!
    }
    return this.chooseFrom(await this.evaluate(tokens, true), mask, true)!
  }

  /** Undefined only where the logits are not those of all tokens that are allowed. */
  private chooseFrom(found: ReadonlyMap<Token, number>, mask: Uint32Array, isComplete: boolean): number | undefined {
    const ids: number[] = []
    const logits: number[] = []
    for (const [id, logit] of found)
      if (isAllowed(mask, id)) {
        ids.push(id)
        logits.push(logit)
      }
    if (ids.length === 0 && !isComplete) return undefined
    return this.sampler.chooseTop({ ids, logits, vocabulary: this.vocabulary.size, isComplete })
  }

  /** Logits behind the last of the tokens. */
  private async evaluate(tokens: readonly Token[], logits: Logits<Token>): Promise<ReadonlyMap<Token, number>> {
    const last = tokens.length - 1
    const results = await this.sequence.controlledEvaluate(
      tokens.map((token, i) => (i < last ? token : [token, { generateNext: { logits } }])),
    )
    const found = results[last]?.next.logits
    if (found === undefined)
      throw new SamplingError('LOGITS', 'node-llama-cpp gave no logits; was the context or the sequence disposed of?')
    return found
  }
}

const isAllowed = (mask: Uint32Array, id: number): boolean => (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1

/** The tokens of a mask, unless there are more than `most`. */
function allowedTokens<Token extends number>(mask: Uint32Array, most: number): Token[] | undefined {
  const ids: Token[] = []
  for (let word = 0; word < mask.length; word++)
    for (let bits = mask[word]!; bits !== 0; bits &= bits - 1) {
      if (ids.length === most) return undefined
      ids.push((word * 32 + 31 - Math.clz32(bits & -bits)) as Token)
    }
  return ids
}
