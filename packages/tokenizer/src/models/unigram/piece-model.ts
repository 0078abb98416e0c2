import { TokenizerError } from '../../errors.js'
import type { ComponentJson, PieceModel, TokenSink } from '../../pipeline/components.js'
import { ByteCursor } from '../bpe/byte-cursor.js'
import { ByteTrie } from '../byte-trie.js'
import { Utf8Buffer } from '../model.js'
import { Segments, UNKNOWN } from '../segments.js'
import { Unigram } from './unigram.js'

/** Hugging Face's Unigram: scores in double precision, neighbours that are unknown as one token, byte fallback. */
export class UnigramPieces implements PieceModel {
  readonly size: number
  private readonly ids: ReadonlyMap<string, number>
  private readonly unigram: Unigram
  private readonly byteIds: readonly (number | undefined)[]
  private readonly utf8 = new Utf8Buffer()
  private readonly segments = new Segments()

  /**
   * @param vocab written forms and log-probabilities, in the order of ids; of equal forms the last one counts
   * @param verbatimId the unknown token, whose written form is the text it stands for
   * @param byteFallback whether unknown text becomes the tokens `<0x00>`… of its bytes where the vocabulary has them
   */
  constructor(
    private readonly vocab: readonly (readonly [string, number])[],
    readonly verbatimId: number | undefined,
    private readonly byteFallback: boolean,
  ) {
    this.size = vocab.length
    this.ids = new Map(vocab.map(([form], id) => [form, id]))
    const encoder = new TextEncoder()
    const trie = new ByteTrie()
    for (const [form, id] of this.ids) if (form !== '') trie.set(encoder.encode(form), id)
    let lowest = Infinity
    for (const [, score] of vocab) lowest = Math.min(lowest, score)
    this.unigram = new Unigram(trie, { scores: Float64Array.from(vocab, ([, score]) => score), lowest, single: false })
    this.byteIds = Array.from({ length: 256 }, (_, byte) => this.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`))
  }

  encodePiece(piece: string, out: TokenSink): void {
    const length = this.utf8.write(piece)
    const { segments } = this
    segments.clear()
    this.unigram.segment(this.utf8.bytes, length, segments)
    const cursor = new ByteCursor(piece)
    let start = 0
    for (let i = 0; i < segments.length; i++) {
      let end = segments.ends[i]!
      const id = segments.ids[i]!
      const unknown = this.isUnknown(id)
      if (unknown) while (i + 1 < segments.length && this.isUnknown(segments.ids[i + 1]!)) end = segments.ends[++i]!
      const from = cursor.startOf(start)
      const to = cursor.endOf(end)
      if (unknown) this.addUnknown(piece, from, to, this.utf8.bytes.subarray(start, end), out)
      else out.token(id, from, to)
      start = end
    }
    this.utf8.trim()
  }

  tokenToId(token: string): number | undefined {
    return this.ids.get(token)
  }

  idToToken(id: number): string | undefined {
    return this.vocab[id]?.[0]
  }

  toJSON(): ComponentJson {
    return { type: 'Unigram', unk_id: this.verbatimId ?? null, vocab: this.vocab, byte_fallback: this.byteFallback }
  }

  private isUnknown(id: number): boolean {
    return id === UNKNOWN || id === this.verbatimId
  }

  private addUnknown(piece: string, from: number, to: number, bytes: Uint8Array, out: TokenSink): void {
    // Unknown characters joined may be a token all the same.
    const known = this.ids.get(piece.slice(from, to))
    if (known !== undefined) {
      out.token(known, from, to)
      return
    }
    if (this.byteFallback && bytes.every((byte) => this.byteIds[byte] !== undefined)) {
      for (const byte of bytes) out.token(this.byteIds[byte]!, from, to)
      return
    }
    if (this.verbatimId === undefined) {
      const shown = JSON.stringify(piece.slice(from, Math.min(to, from + 40)))
      throw new TokenizerError('UNSUPPORTED', `The vocabulary has no token for ${shown} and its file names no unknown token (model.unk_id)`)
    }
    out.token(this.verbatimId, from, to)
  }
}
