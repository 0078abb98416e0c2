import type { IdList } from '../../id-list.js'
import type { ComponentJson, PieceModel, TokenSink } from '../../pipeline/components.js'
import { isPairAt } from '../../text/aligned.js'
import { reversedTrie } from '../byte-trie.js'
import { PieceCache } from '../piece-cache.js'
import type { Prefixes } from '../prefixes.js'
import type { TokenMap } from '../token-map.js'
import { beginsWords } from '../words.js'
import { missingUnknown } from '../wordlevel/wordlevel.js'
import { ByteCursor, utf8LengthAt } from './byte-cursor.js'
import { Junctions } from './junctions.js'
import type { MergeTable } from './merge-table.js'
import { Merger } from './merger.js'
import { BpePrefixes, TokenPairs } from './prefixes.js'

export interface CharacterBpeOptions {
  /** The token for characters that the vocabulary lacks; without one they are left out. */
  readonly unknown: string | undefined
  /** Whether neighbours that are unknown are one token. */
  readonly fuseUnknown: boolean
  /** Whether such a character becomes the tokens `<0x00>`… of its bytes, where the vocabulary has them. */
  readonly byteFallback: boolean
  /** What the written forms of symbols begin with that do not begin a piece. */
  readonly prefix: string
  /** What the written form of the symbol ends with that ends a piece. */
  readonly suffix: string
  /** Whether a piece that is a token becomes that token without merging. */
  readonly ignoreMerges: boolean
}

const ABSENT = -1
const UNSEEN = -2

/**
 * Byte-pair encoding of characters with all the options of Hugging Face's: the characters (code points) of a piece are the first symbols, and
 * pairs of lowest rank merge first.
 */
export class CharacterBpe implements PieceModel {
  readonly size: number
  private readonly merger: Merger
  /** Absent where what a symbol is depends on its place in the piece, which therefore cannot be cut. Built at first use. */
  private junctions: Junctions | undefined
  private readonly cache = new PieceCache()
  private readonly unknownId: number | undefined
  /** The id of each byte's token, where all 256 are there; otherwise each is looked up. */
  private readonly byteIds: Int32Array
  private readonly everyByte: boolean
  // Ids of single characters of the basic plane by place: first or not, last or not.
  private readonly known: (Int32Array | undefined)[] = [undefined, undefined, undefined, undefined]
  private symbols = new Int32Array(256)
  /** UTF-8 bytes that each symbol stands for, and the length of its written form. */
  private bytes = new Int32Array(256)
  private weights = new Int32Array(256)

  constructor(
    private readonly vocab: TokenMap,
    readonly merges: MergeTable,
    readonly options: CharacterBpeOptions,
  ) {
    this.size = vocab.size
    this.merger = new Merger(merges)
    this.unknownId = options.unknown === undefined ? undefined : vocab.get(options.unknown)
    this.byteIds = Int32Array.from({ length: 256 }, (_, byte) =>
      options.byteFallback ? (vocab.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? ABSENT) : ABSENT,
    )
    this.everyByte = this.byteIds.every((id) => id !== ABSENT)
  }

  encodePiece(piece: string, out: TokenSink): void {
    const { options, vocab } = this
    const whole = options.ignoreMerges ? vocab.get(piece) : undefined
    if (whole !== undefined) {
      out.token(whole, 0, piece.length)
      return
    }
    const given = this.spell(piece)
    const { symbols, bytes, weights } = this
    const count = this.merger.merge(symbols, given)
    const cursor = new ByteCursor(piece)
    let byte = 0
    let symbol = 0
    for (let i = 0; i < count; i++) {
      // The written form of a merge is that of its parts: count off symbols until theirs are as long.
      let missing = vocab.form(symbols[i]!)!.length - (i > 0 ? options.prefix.length : 0)
      const start = byte
      do {
        missing -= weights[symbol]!
        byte += bytes[symbol++]!
      } while (missing > 0 && symbol < given)
      const from = cursor.startOf(start)
      out.token(symbols[i]!, from, cursor.endOf(byte))
    }
  }

  encodeIds(piece: string, out: IdList): void {
    const whole = this.options.ignoreMerges ? this.vocab.get(piece) : undefined
    if (whole !== undefined) {
      out.push(whole)
      return
    }
    if (this.options.prefix !== '' || this.options.suffix !== '') {
      this.encodePart(piece, out)
      return
    }
    const junctions = (this.junctions ??= Junctions.of(this.merges, this.vocab))
    let start = 0
    let before = this.lastUnit(piece, 0)
    for (let at = isPairAt(piece, 0) ? 2 : 1; at < piece.length;) {
      const pair = isPairAt(piece, at)
      // Most characters are in the vocabulary; a unit below zero marks one that may not be cut off.
      const first = this.firstUnit(piece, at)
      if (before >= 0 && first >= 0 && !junctions.has(before, first)) {
        this.encodePart(piece.slice(start, at), out)
        start = at
      }
      before = first >= 0 ? this.lastUnit(piece, at) : -1
      at += pair ? 2 : 1
    }
    this.encodePart(start === 0 ? piece : piece.slice(start), out)
  }

  endsBefore(blank: string): boolean {
    const { prefix, suffix, ignoreMerges } = this.options
    // What a symbol is may depend on its place in the piece, or a piece be a token whatever the merges say.
    if (prefix !== '' || suffix !== '' || ignoreMerges) return false
    return beginsWords(this.vocab.ids.keys(), blank)
  }

  growing(): (() => Prefixes) | undefined {
    const { unknown, fuseUnknown, prefix, suffix, ignoreMerges } = this.options
    if (prefix !== '' || suffix !== '' || ignoreMerges || (this.unknownId === undefined && !this.everyByte)) return undefined
    // A token for unknown text must not join others, or what it stands for would be part of theirs.
    const apart = new Set([...this.byteIds.filter((id) => id !== ABSENT), ...(this.unknownId === undefined ? [] : [this.unknownId])])
    for (const { left, right } of this.merges.entries()) if (apart.has(left) || apart.has(right)) return undefined
    const utf8 = new TextEncoder()
    const reversed = reversedTrie([...this.vocab.ids].filter(([, id]) => !apart.has(id)).map(([form, id]) => [utf8.encode(form), id]))
    if (reversed === undefined) return undefined
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    const pairs = new TokenPairs({
      reversed,
      byBytes: false,
      ends: (bytes, start, end) => {
        const piece = decoder.decode(bytes.subarray(start, end))
        const ends: number[] = []
        let unit = 0
        let byte = start
        this.encodePiece(piece, {
          token: (_id, _from, to) => {
            byte += utf8.encode(piece.slice(unit, to)).length
            unit = to
            // The tokens of a character's bytes are one symbol here.
            if (ends.at(-1) !== byte) ends.push(byte)
          },
        })
        return ends
      },
      unknown: (length, afterUnknown) => (this.everyByte ? length : unknown !== undefined && fuseUnknown && afterUnknown ? 0 : 1),
    })
    return () => new BpePrefixes(pairs)
  }

  /** Written forms and their ids. */
  get forms(): ReadonlyMap<string, number> {
    return this.vocab.ids
  }

  tokenToId(token: string): number | undefined {
    return this.vocab.get(token)
  }

  idToToken(id: number): string | undefined {
    return this.vocab.form(id)
  }

  toJSON(): ComponentJson {
    const { options, vocab } = this
    const merges = [...this.merges.entries()].sort((a, b) => a.rank - b.rank)
    return {
      type: 'BPE',
      dropout: null,
      unk_token: options.unknown ?? null,
      continuing_subword_prefix: options.prefix === '' ? null : options.prefix,
      end_of_word_suffix: options.suffix === '' ? null : options.suffix,
      fuse_unk: options.fuseUnknown,
      byte_fallback: options.byteFallback,
      ignore_merges: options.ignoreMerges,
      vocab: vocab.toJSON(),
      merges: merges.map(({ left, right }) => [vocab.form(left), vocab.form(right)]),
    }
  }

  /** The ids of a piece, or of a part of one that no merge leaves. */
  private encodePart(part: string, out: IdList): void {
    if (this.cache.append(part, out)) return
    const from = out.length
    // Spelling may replace the arrays by larger ones.
    const given = this.spell(part)
    const count = this.merger.merge(this.symbols, given)
    out.reserve(count)
    for (let i = 0; i < count; i++) out.ids[out.length++] = this.symbols[i]!
    this.cache.keep(part, out, from)
    if (this.symbols.length > 1 << 20) this.reserve(256, true)
  }

  /** The unit that the symbols of the character at `at` begin with, or −1 for a character that is unknown. */
  private firstUnit(piece: string, at: number): number {
    if (this.idAt(piece, at, false, false) !== ABSENT) return piece.charCodeAt(at)
    return this.everyByte ? 0x3c : -1
  }

  private lastUnit(piece: string, at: number): number {
    if (this.idAt(piece, at, false, false) !== ABSENT) return piece.charCodeAt(isPairAt(piece, at) ? at + 1 : at)
    return this.everyByte ? 0x3e : -1
  }

  /** Writes the symbols of a piece and returns their number. */
  private spell(piece: string): number {
    const { options } = this
    const most = 3 * (piece.length + options.prefix.length + options.suffix.length)
    if (most > this.symbols.length) this.reserve(most, false)
    const { symbols, bytes, weights } = this
    let count = 0
    const add = (id: number, length: number, weight: number): void => {
      symbols[count] = id
      bytes[count] = length
      weights[count] = count > 0 ? weight - options.prefix.length : weight
      count++
    }
    // The bytes of unknown characters that are yet to be added as one token; they are added when the next known character comes.
    let unknown = 0
    const addUnknown = (): void => {
      if (unknown > 0) add(this.unknownId!, unknown, options.unknown!.length)
      unknown = 0
    }
    for (let at = 0; at < piece.length;) {
      const units = isPairAt(piece, at) ? 2 : 1
      const [first, last] = [at === 0, at + units === piece.length]
      const length = utf8LengthAt(piece, at)
      const id = this.idAt(piece, at, first, last)
      if (id !== ABSENT) {
        addUnknown()
        add(id, length, units + (first ? 0 : options.prefix.length) + (last ? options.suffix.length : 0))
      } else if (!options.byteFallback || !this.addBytes(this.formOf(piece.slice(at, at + units), first, last), add)) {
        if (options.unknown !== undefined) {
          if (this.unknownId === undefined) throw missingUnknown(options.unknown, piece.slice(at, at + units))
          if (!options.fuseUnknown) addUnknown()
          unknown += length
        }
      }
      at += units
    }
    addUnknown()
    return count
  }

  /** Adds the tokens of a form's bytes; false when one is missing. */
  private addBytes(form: string, add: (id: number, length: number, weight: number) => void): boolean {
    const utf8 = new TextEncoder().encode(form)
    if (!this.everyByte) for (const byte of utf8) if (this.byteIds[byte] === ABSENT) return false
    for (const byte of utf8) add(this.byteIds[byte]!, 1, BYTE_FORM)
    return true
  }

  private formOf(char: string, first: boolean, last: boolean): string {
    return (first ? '' : this.options.prefix) + char + (last ? this.options.suffix : '')
  }

  /** The id of the character at `at` in its place of the piece, or `ABSENT`. */
  private idAt(piece: string, at: number, first: boolean, last: boolean): number {
    if (isPairAt(piece, at)) return this.vocab.get(this.formOf(piece.slice(at, at + 2), first, last)) ?? ABSENT
    // Without prefix and suffix all places are one.
    const { prefix, suffix } = this.options
    const place = (first || prefix === '' ? 0 : 1) + (last && suffix !== '' ? 2 : 0)
    const table = (this.known[place] ??= new Int32Array(0x10000).fill(UNSEEN))
    const unit = piece.charCodeAt(at)
    let id = table[unit]!
    if (id === UNSEEN) table[unit] = id = this.vocab.get(this.formOf(piece[at]!, first, last)) ?? ABSENT
    return id
  }

  private reserve(count: number, exactly: boolean): void {
    const size = exactly ? count : Math.max(count, this.symbols.length * 2)
    this.symbols = new Int32Array(size)
    this.bytes = new Int32Array(size)
    this.weights = new Int32Array(size)
  }
}

/** The length of `<0x00>`. */
const BYTE_FORM = 6
