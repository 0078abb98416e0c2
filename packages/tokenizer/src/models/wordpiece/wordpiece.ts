import { TokenizerError } from '../../errors.js'
import type { ComponentJson, PieceModel, TokenSink } from '../../pipeline/components.js'
import { isPairAt } from '../../text/aligned.js'
import { UnitTrie } from '../../text/unit-trie.js'
import type { TokenMap } from '../token-map.js'
import { missingUnknown } from '../wordlevel/wordlevel.js'

/** A search takes time in proportion to the longest token that a word can hold; in real vocabularies that has a few dozen characters. */
const MAX_TOKEN_LENGTH = 256

/**
 * WordPiece: the longest token that begins a word, then the longest that goes on, and so forth; a word with a stretch that no token begins is
 * unknown as a whole.
 *
 * Source: Y. Wu et al., "Google's Neural Machine Translation System", 2016, and BERT's reference code.
 */
export class WordPiece implements PieceModel {
  readonly size: number
  private readonly unknownId: number | undefined
  private readonly trie = new UnitTrie()
  /** The state of the trie that stands for the prefix, −1 where no token begins with it. */
  private readonly inside: number
  // The tokens of the word at hand, and where each ends.
  private found = new Int32Array(128)
  private ends = new Int32Array(128)

  /**
   * @param vocab the tokens
   * @param unknown the token for words that cannot be made up of tokens
   * @param prefix what the written forms of tokens inside a word begin with, `##`
   * @param maxCharacters words of more characters (code points) are unknown
   * @throws TokenizerError `UNSUPPORTED` for a token of more than 256 UTF-16 units, where words may be that long
   */
  constructor(
    private readonly vocab: TokenMap,
    private readonly unknown: string,
    private readonly prefix: string,
    private readonly maxCharacters: number,
  ) {
    this.size = vocab.size
    this.unknownId = vocab.get(unknown)
    for (const [form, id] of vocab.ids) {
      if (form.length > MAX_TOKEN_LENGTH) {
        // What is longer than any word is never found.
        if (!this.isShort(form.startsWith(prefix) ? form.slice(prefix.length) : form)) continue
        throw tooLong(form, maxCharacters)
      }
      this.trie.add(form, id)
    }
    let inside = 0
    for (let i = 0; i < prefix.length && inside >= 0; i++) inside = this.trie.step(inside, prefix.charCodeAt(i))
    this.inside = inside
  }

  encodePiece(piece: string, out: TokenSink): void {
    const count = this.isShort(piece) ? this.cut(piece) : 0
    if (count === 0) {
      if (this.unknownId === undefined) throw missingUnknown(this.unknown, piece)
      out.token(this.unknownId, 0, piece.length)
      return
    }
    for (let i = 0, start = 0; i < count; i++) {
      const end = this.ends[i]!
      out.token(this.found[i]!, start, end)
      start = end
    }
  }

  tokenToId(token: string): number | undefined {
    return this.vocab.get(token)
  }

  idToToken(id: number): string | undefined {
    return this.vocab.form(id)
  }

  toJSON(): ComponentJson {
    return {
      type: 'WordPiece',
      unk_token: this.unknown,
      continuing_subword_prefix: this.prefix,
      max_input_chars_per_word: this.maxCharacters,
      vocab: this.vocab.toJSON(),
    }
  }

  /** Fills `found` and `ends` and returns the number of tokens; 0 when some stretch is no token. */
  private cut(piece: string): number {
    const { trie } = this
    if (piece.length > this.found.length) {
      this.found = new Int32Array(piece.length)
      this.ends = new Int32Array(piece.length)
    }
    let count = 0
    for (let start = 0; start < piece.length; count++) {
      let id = -1
      let end = start
      for (let at = start, state = start > 0 ? this.inside : 0; state >= 0 && at < piece.length;) {
        state = trie.step(state, piece.charCodeAt(at++))
        if (state < 0) break
        const value = trie.value(state)
        if (value < 0) continue
        id = value
        end = at
      }
      if (id < 0) return 0
      this.found[count] = id
      this.ends[count] = end
      start = end
    }
    return count
  }

  private isShort(piece: string): boolean {
    if (piece.length <= this.maxCharacters) return true
    let characters = 0
    for (let at = 0; at < piece.length; at += isPairAt(piece, at) ? 2 : 1) if (++characters > this.maxCharacters) return false
    return true
  }
}

function tooLong(form: string, maxCharacters: number): TokenizerError {
  return new TokenizerError(
    'UNSUPPORTED',
    `A WordPiece vocabulary with the token ${JSON.stringify(`${form.slice(0, 39)}…`)} of ${form.length} characters in words of up to ${maxCharacters} is not run; ` +
      `tokens have at most ${MAX_TOKEN_LENGTH}`,
  )
}
