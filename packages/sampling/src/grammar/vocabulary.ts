/** The tokens of a tokenizer, as grammars need them: a tree of their bytes, in one array. */
import { SamplingError } from '../errors.js'
import { ByteSet } from './bytes.js'
import { CharacterSet, PLAIN_RANGES } from './character-set.js'
import type { Part } from './masks.js'
import { Recent } from './recent.js'
import { FlatTokens } from './flat-tokens.js'
import { Descriptions } from './shared-parts.js'

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
  /** The node of each byte that tokens begin with; −1 where none does. */
  readonly roots: Int32Array
  readonly characters: TrieCharacters
  /** See {@link Vocabulary.from}; of plain characters. */
  readonly plainFrom: Int16Array
}

/** Bytes of characters in JSON strings that stand for themselves: no quote, no backslash, no control character. */
export const plainBytes = ByteSet.range(0x20, 0xff)
for (const byte of [0x22, 0x5c]) plainBytes.words[byte >> 5]! &= ~(1 << (byte & 31))
const plain = new CharacterSet(PLAIN_RANGES)

/** Bytes of a token: places in it are numbers of 16 bits. */
const MOST_BYTES = 0xffff
/** Parts of masks that are kept for all grammars. */
const MOST_SHARED = 256
/** Sets of bytes and of characters of which it is kept what goes on with nothing else. */
const MOST_SETS = 32

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
  /** @internal Of masks that are the same in every grammar. */
  readonly descriptions = new Descriptions()
  /** @internal */
  readonly sharedParts = new Recent<Part>(MOST_SHARED)
  private readonly fromAll = new Recent<Int16Array, string>(MOST_SETS)
  private readonly fromRest = new Recent<Int16Array, string>(MOST_SETS)

  /**
   * @param tokens the bytes of each token by id; undefined for tokens that are no text, such as those that end one
   * @throws SamplingError `VALUE` for no tokens, for one of more than 65,535 bytes, and for ids that are none
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
    const ids: number[] = []
    let longest = 0
    tokens.forEach((bytes, id) => {
      if (bytes === undefined || bytes.length === 0 || ended.has(id)) return
      if (bytes.length > MOST_BYTES)
        throw new SamplingError('VALUE', `Token ${id} has ${bytes.length} bytes; tokens of a vocabulary have at most ${MOST_BYTES}`)
      ids.push(id)
      longest = Math.max(longest, bytes.length)
    })
    this.longest = longest
    const flat = new FlatTokens(tokens, ids)
    const sorted = flat.sort(ids)
    this.all = trieOf(flat, sorted)
    const rest = sorted.filter((id) => {
      const characters = plainCharacters(flat, id)
      if (characters > 0) this.plain.push({ id, characters })
      return characters === 0
    })
    this.rest = trieOf(flat, rest)
  }

  /** For nodes from which on, themselves included, every token is bytes of a set alone, or whole characters of one: how many at most. −1 for others. */
  from(trie: Trie, set: ByteSet | CharacterSet): Int16Array {
    const known = trie === this.all ? this.fromAll : this.fromRest
    let from = known.get(set.key)
    if (from === undefined) {
      from = set instanceof ByteSet ? bytesFrom(trie, set) : charactersFrom(trie.characters, trie.starts, set)
      known.set(set.key, from)
    }
    return from
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

/** How many bytes of a character follow its first; −1 for bytes that begin none. */
function followers(byte: number): number {
  if (byte < 0x80) return 0
  if (byte >= 0xc2 && byte < 0xe0) return 1
  if (byte >= 0xe0 && byte < 0xf0) return 2
  return byte >= 0xf0 && byte < 0xf5 ? 3 : -1
}

/** Whether a byte may follow the first of a character: not where there is a shorter form, in surrogates, and beyond the last code point. */
function maySecond(first: number, second: number): boolean {
  if ((second & 0xc0) !== 0x80) return false
  if (first === 0xe0) return second >= 0xa0
  if (first === 0xed) return second < 0xa0
  if (first === 0xf0) return second >= 0x90
  return first !== 0xf4 || second < 0x90
}

/** How many characters a token has, when it is whole and plain; else 0. */
function plainCharacters({ bytes, starts }: FlatTokens, id: number): number {
  let characters = 0
  const end = starts[id + 1]!
  for (let i = starts[id]!; i < end; characters++) {
    const byte = bytes[i]!
    const more = followers(byte)
    if (!plainBytes.has(byte) || more < 0 || i + more >= end) return 0
    if (more > 0 && !maySecond(byte, bytes[i + 1]!)) return 0
    for (let k = 2; k <= more; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return 0
    i += more + 1
  }
  return characters
}

function trieOf(flat: FlatTokens, sorted: Int32Array): Trie {
  /** Bytes that each token shares with the one before it. */
  const common = new Int32Array(sorted.length)
  let count = 0
  let longest = 0
  for (let i = 0; i < sorted.length; i++) {
    const length = flat.lengthOf(sorted[i]!)
    if (i > 0) common[i] = flat.common(sorted[i - 1]!, sorted[i]!)
    count += length - common[i]!
    longest = Math.max(longest, length)
  }
  const bytes = new Uint8Array(count)
  const depths = new Uint16Array(count)
  const parents = new Int32Array(count)
  const starts = new Int32Array(count + 1)
  /** Nodes on the way to the present one. */
  const path = new Int32Array(longest)
  let node = 0
  for (let i = 0; i < sorted.length; i++) {
    const first = flat.starts[sorted[i]!]!
    const length = flat.lengthOf(sorted[i]!)
    for (let depth = common[i]!; depth < length; depth++) {
      bytes[node] = flat.bytes[first + depth]!
      depths[node] = depth
      parents[node] = depth === 0 ? -1 : path[depth - 1]!
      path[depth] = node
      starts[node + 1] = i
      node++
    }
    // Tokens with the same bytes stand one behind the other.
    starts[node] = i + 1
  }
  for (let at = 1; at <= count; at++) starts[at] = Math.max(starts[at]!, starts[at - 1]!)
  const sizes = new Int32Array(count).fill(1)
  for (let at = count - 1; at >= 0; at--) if (parents[at]! >= 0) sizes[parents[at]!]! += sizes[at]!
  const roots = new Int32Array(256).fill(-1)
  for (let at = 0; at < count; at += sizes[at]!) roots[bytes[at]!] = at
  const characters = charactersOf(bytes, parents)
  const plainFrom = charactersFrom(characters, starts, plain)
  return { bytes, depths, sizes, starts, roots, tokens: sorted, characters, plainFrom }
}

/** What the nodes of a tree are of the characters on the way to them. */
export interface TrieCharacters {
  readonly parents: Int32Array
  /** Bytes that are missing of the character that a node is in; −1 where it is in none. */
  readonly missing: Int8Array
  /** The bits of it that are there. */
  readonly points: Int32Array
  /** How many whole ones there are, its own included. */
  readonly counts: Uint16Array
}

const UNKNOWN = -1

function charactersOf(bytes: Uint8Array, parents: Int32Array): TrieCharacters {
  const count = bytes.length
  const missing = new Int8Array(count)
  const points = new Int32Array(count)
  const counts = new Uint16Array(count)
  for (let node = 0; node < count; node++) {
    const parent = parents[node]!
    const [byte, before] = [bytes[node]!, parent < 0 ? 0 : missing[parent]!]
    if (before === 0) {
      const more = followers(byte)
      missing[node] = more
      points[node] = more > 0 ? byte & (0x3f >> more) : byte
    } else if (before === UNKNOWN) missing[node] = UNKNOWN
    else {
      const isSecond = followers(bytes[parent]!) === before && (bytes[parent]! & 0xc0) !== 0x80
      const isGood = isSecond ? maySecond(bytes[parent]!, byte) : (byte & 0xc0) === 0x80
      missing[node] = isGood ? before - 1 : UNKNOWN
      points[node] = (points[parent]! << 6) | (byte & 0x3f)
    }
    counts[node] = (parent < 0 ? 0 : counts[parent]!) + (missing[node] === 0 ? 1 : 0)
  }
  return { parents, missing, points, counts }
}

function charactersFrom({ parents, missing, points }: TrieCharacters, starts: Int32Array, set: CharacterSet): Int16Array {
  const count = parents.length
  const from = new Int16Array(count)
  for (let node = count - 1; node >= 0; node--) {
    const left = missing[node]!
    if (left === UNKNOWN || (left === 0 ? !set.has(points[node]!) : starts[node + 1]! > starts[node]!)) from[node] = UNKNOWN
    else if (left === 0 && from[node] !== UNKNOWN) from[node]!++
    const parent = parents[node]!
    if (parent < 0 || from[parent] === UNKNOWN) continue
    from[parent] = from[node] === UNKNOWN ? UNKNOWN : Math.max(from[parent]!, from[node]!)
  }
  // Inside of a character none begins.
  for (let node = 0; node < count; node++) if (parents[node]! >= 0 && missing[parents[node]!] !== 0) from[node] = UNKNOWN
  return from
}

function bytesFrom({ bytes, characters: { parents } }: Trie, set: ByteSet): Int16Array {
  const isIn = Uint8Array.from({ length: 256 }, (_, byte) => (set.has(byte) ? 1 : 0))
  const from = new Int16Array(bytes.length)
  for (let node = bytes.length - 1; node >= 0; node--) {
    if (isIn[bytes[node]!] === 0) from[node] = UNKNOWN
    else if (from[node] !== UNKNOWN) from[node]!++
    const parent = parents[node]!
    if (parent < 0 || from[parent] === UNKNOWN) continue
    from[parent] = from[node] === UNKNOWN ? UNKNOWN : Math.max(from[parent]!, from[node]!)
  }
  return from
}
