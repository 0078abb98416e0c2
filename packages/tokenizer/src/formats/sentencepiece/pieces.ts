import { ByteTable } from '../../byte-table.js'
import { TokenizerError } from '../../errors.js'
import { ByteTrie, MAX_TRIE_NODES } from '../../models/byte-trie.js'
import { PieceType } from './model-proto.js'

export interface PieceList {
  /** The pieces' UTF-8, one array; piece `i` is `text[starts[i], starts[i + 1])`. */
  readonly text: Uint8Array
  readonly starts: Uint32Array
  readonly scores: Float32Array
  /** See PieceType. */
  readonly types: Uint8Array
}

/** The pieces of a SentencePiece vocabulary, checked and ready to be looked up. */
export class Pieces {
  readonly size: number
  /** What text is made of: ordinary, user-defined and unused pieces. Entry `i` is token `ids[i]`. */
  readonly table: ByteTable
  readonly ids: Int32Array
  readonly userDefined: ByteTrie | undefined
  /** The id of the unknown token. */
  readonly unknownId: number
  /** The id of the token for each byte; empty when the vocabulary has no tokens for bytes. */
  readonly byteIds: Int32Array
  /** The byte that each token stands for, or −1. */
  readonly byteOf: Int16Array
  /** Control, unknown and byte tokens, likewise. */
  private readonly reserved = new ByteTable(512)
  private readonly reservedIds: number[] = []
  private readonly forms: (string | undefined)[]
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  /**
   * @param list the pieces, in order of their ids
   * @param where what they are part of, for messages
   * @param byteFallback whether unknown characters become the tokens of their bytes
   * @throws TokenizerError `FILE` when pieces repeat, or tokens for bytes or the unknown are missing or too many
   */
  constructor(
    readonly list: PieceList,
    readonly where: string,
    byteFallback: boolean,
  ) {
    const { text, starts, types } = list
    this.size = types.length
    if (text.length >= MAX_TRIE_NODES) throw this.fail(`has ${text.length} bytes of pieces; at most ${MAX_TRIE_NODES - 1} are taken`)
    this.table = new ByteTable(this.size)
    this.forms = new Array<string | undefined>(this.size)
    this.byteOf = new Int16Array(this.size).fill(-1)
    const ids: number[] = []
    const byteIds = new Int32Array(256).fill(-1)
    const userDefined = new ByteTrie()
    let unknownId = -1
    for (let id = 0; id < this.size; id++) {
      const type = types[id]!
      const ordinary = type === PieceType.normal || type === PieceType.userDefined || type === PieceType.unused
      const names = ordinary ? this.table : this.reserved
      const { size } = names
      if (names.add(text, starts[id]!, starts[id + 1]!) !== size) throw this.fail(`has ${this.shown(id)} as piece ${id} and before`)
      if (ordinary) ids.push(id)
      else this.reservedIds.push(id)
      if (type === PieceType.userDefined) userDefined.set(this.bytes(id), id)
      if (type === PieceType.unknown) {
        if (unknownId >= 0) throw this.fail(`has two unknown tokens, pieces ${unknownId} and ${id}`)
        unknownId = id
      }
      if (type !== PieceType.byte) continue
      const byte = byteOfName(this.form(id))
      if (byte < 0) throw this.fail(`has ${this.shown(id)} as piece ${id} of type byte, which should look like <0x0A>`)
      byteIds[byte] = id
      this.byteOf[id] = byte
    }
    if (unknownId < 0) throw this.fail('has no unknown token (a piece of type 2)')
    if (byteFallback) {
      const missing = byteIds.indexOf(-1)
      if (missing >= 0) throw this.fail(`falls back to bytes, but lacks a token for byte ${missing}`)
    }
    this.ids = Int32Array.from(ids)
    this.userDefined = userDefined.longest === 0 ? undefined : userDefined
    this.unknownId = unknownId
    this.byteIds = byteFallback ? byteIds : new Int32Array(0)
  }

  typeOf(id: number): number {
    return this.list.types[id]!
  }

  /** A view of a piece's UTF-8. */
  bytes(id: number): Uint8Array {
    return this.list.text.subarray(this.list.starts[id], this.list.starts[id + 1])
  }

  /** A piece as it stands in the file. */
  form(id: number): string {
    return (this.forms[id] ??= this.utf8.decode(this.bytes(id)))
  }

  /** The ids of a type, in order. */
  ofType(...types: readonly number[]): number[] {
    return [...this.list.types.keys()].filter((id) => types.includes(this.typeOf(id)))
  }

  /** The token of a written form; control tokens and such come before ordinary ones. */
  find(form: string): number | undefined {
    const bytes = new TextEncoder().encode(form)
    const reserved = this.reserved.find(bytes, 0, bytes.length)
    if (reserved >= 0) return this.reservedIds[reserved]
    const found = this.table.find(bytes, 0, bytes.length)
    return found < 0 ? undefined : this.ids[found]
  }

  private shown(id: number): string {
    return JSON.stringify(this.form(id).slice(0, 40))
  }

  private fail(what: string): TokenizerError {
    return new TokenizerError('FILE', `${this.where} ${what}`)
  }
}

/** The byte that a name such as `<0x0A>` stands for, or −1. */
export function byteOfName(name: string): number {
  return /^<0x[0-9A-F]{2}>$/.test(name) ? parseInt(name.slice(3, 5), 16) : -1
}
