/** The tokens of a tokenizer, as grammars need them: a tree of their bytes, in one array. */
import { SamplingError } from '../errors.js'
import { ByteSet } from './bytes.js'

export interface VocabularyOptions {
  /** Tokens that end a text: allowed where the grammar is complete. */
  readonly end: readonly number[]
}

/** A tree of bytes from its root on, children behind their parents. */
export interface Trie {
  readonly bytes: Uint8Array
  readonly depths: Uint16Array
  /** Nodes of the part that begins at a node, itself included. */
  readonly sizes: Int32Array
  /** The tokens that end at node `i` are `tokens[starts[i]]` to `tokens[starts[i + 1] − 1]`. */
  readonly starts: Int32Array
  readonly tokens: Int32Array
}

/** Bytes of characters in JSON strings that stand for themselves: no quote, no backslash, no control character. */
export const plainBytes = ByteSet.range(0x20, 0xff)
for (const byte of [0x22, 0x5c]) plainBytes.words[byte >> 5]! &= ~(1 << (byte & 31))

export class Vocabulary {
  readonly size: number
  /** All tokens, and those that are not whole plain characters. */
  readonly all: Trie
  readonly rest: Trie
  readonly end: readonly number[]
  /** Bytes of the longest token. */
  readonly longest: number
  /** Tokens of whole plain characters, by how many; tokens of more are in none. */
  private readonly plain: { readonly id: number; readonly characters: number }[] = []
  private readonly plainMasks: Uint32Array[] = []

  /**
   * @param tokens the bytes of each token by id; undefined for tokens that are no text, such as those that end one
   * @throws SamplingError `VALUE` for no tokens, and for ids that are none
   */
  constructor(
    readonly tokens: readonly (Uint8Array | undefined)[],
    { end }: VocabularyOptions,
  ) {
    this.size = tokens.length
    if (this.size === 0) throw new SamplingError('VALUE', 'A vocabulary has at least one token, got none')
    for (const id of end)
      if (!(Number.isInteger(id) && id >= 0 && id < this.size))
        throw new SamplingError('VALUE', `end: ${String(id)} is no token of a vocabulary of ${this.size}`)
    this.end = end
    const ended = new Set(end)
    const sorted: number[] = []
    let longest = 0
    tokens.forEach((bytes, id) => {
      if (bytes === undefined || bytes.length === 0 || ended.has(id)) return
      sorted.push(id)
      longest = Math.max(longest, bytes.length)
    })
    this.longest = longest
    sorted.sort((a, b) => compare(tokens[a]!, tokens[b]!))
    this.all = trieOf(tokens, sorted)
    const rest = sorted.filter((id) => {
      const characters = plainCharacters(tokens[id]!)
      if (characters > 0) this.plain.push({ id, characters })
      return characters === 0
    })
    this.rest = trieOf(tokens, rest)
  }

  /** Words of a mask of all tokens. */
  get words(): number {
    return Math.ceil(this.size / 32)
  }

  /** Tokens of up to so many whole plain characters. */
  plainMask(characters: number): Uint32Array {
    const most = Math.min(characters, this.longest)
    let mask = this.plainMasks[most]
    if (mask === undefined) {
      mask = new Uint32Array(this.words)
      for (const one of this.plain) if (one.characters <= most) mask[one.id >> 5]! |= 1 << (one.id & 31)
      this.plainMasks[most] = mask
    }
    return mask
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** How many characters a token has, when it is whole and plain; else 0. */
function plainCharacters(bytes: Uint8Array): number {
  let characters = 0
  for (let i = 0; i < bytes.length;) {
    const byte = bytes[i]!
    if (!plainBytes.has(byte)) return 0
    const length = byte < 0x80 ? 1 : byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0
    if (length === 0 || i + length > bytes.length) return 0
    for (let k = 1; k < length; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return 0
    // The forms that would be shorter, surrogates, and what is beyond the last code point.
    const second = bytes[i + 1]!
    if (byte === 0xe0 && second < 0xa0) return 0
    if (byte === 0xed && second > 0x9f) return 0
    if (byte === 0xf0 && second < 0x90) return 0
    if (byte === 0xf4 && second > 0x8f) return 0
    i += length
    characters++
  }
  return characters
}

function trieOf(tokens: readonly (Uint8Array | undefined)[], sorted: readonly number[]): Trie {
  let count = 0
  sorted.forEach((id, i) => (count += tokens[id]!.length - common(tokens, sorted, i)))
  const bytes = new Uint8Array(count)
  const depths = new Uint16Array(count)
  const sizes = new Int32Array(count)
  const starts = new Int32Array(count + 1)
  /** Nodes on the way to the present one. */
  const path: number[] = []
  let node = 0
  const close = (depth: number): void => {
    while (path.length > depth) {
      const one = path.pop()!
      sizes[one] = node - one
    }
  }
  sorted.forEach((id, i) => {
    const token = tokens[id]!
    const shared = common(tokens, sorted, i)
    close(shared)
    for (let depth = shared; depth < token.length; depth++) {
      bytes[node] = token[depth]!
      depths[node] = depth
      path.push(node)
      starts[node + 1] = i
      node++
    }
    // Tokens with the same bytes stand one behind the other.
    starts[node] = i + 1
  })
  close(0)
  for (let at = 1; at <= count; at++) starts[at] = Math.max(starts[at]!, starts[at - 1]!)
  return { bytes, depths, sizes, starts, tokens: Int32Array.from(sorted) }
}

/** How many bytes a token shares with the one before it. */
function common(tokens: readonly (Uint8Array | undefined)[], sorted: readonly number[], i: number): number {
  if (i === 0) return 0
  const [a, b] = [tokens[sorted[i - 1]!]!, tokens[sorted[i]!]!]
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
