import type { TextRun } from '../../pipeline/components.js'
import { unknownId } from '../../vocabulary.js'
import { PieceType } from './model-proto.js'
import { validLength, type SentencePieceNormalizer } from './normalizer.js'
import type { Pieces } from './pieces.js'

const BLANK_SYMBOL = '\u2581'

export interface DecodingRules {
  /** What unknown tokens decode to. */
  readonly unknownSurface: string
  /** Whether the first blank of a text is dropped: `'one'` when encoding adds it, `'all'` when encoding drops all at the beginning. */
  readonly dropBlank: 'no' | 'one' | 'all'
  /** Whether control tokens decode to their names rather than to nothing. */
  readonly showControl: boolean
  /** Rewrites the decoded text. */
  readonly denormalizer?: SentencePieceNormalizer | undefined
}

/**
 * A decoding as SentencePiece's: blank symbols become blanks but for those that encoding put at the beginning, tokens of bytes are put
 * together to characters, each byte that fits none becoming U+FFFD.
 */
export function startDecoding(pieces: Pieces, rules: DecodingRules): TextRun {
  const run = new PieceDecoding(pieces, rules)
  const { denormalizer } = rules
  if (denormalizer === undefined) return run
  // Its rules may match across tokens, so all text is needed.
  let text = ''
  return {
    push(id, position) {
      text += run.push(id, position)
      return ''
    },
    end() {
      const whole = new TextEncoder().encode(text + run.end())
      denormalizer.normalize(whole, whole.length, true, false)
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(denormalizer.bytes.subarray(0, denormalizer.length))
    },
  }
}

class PieceDecoding implements TextRun {
  /** Bytes that may yet become a character. */
  private readonly bytes = new Uint8Array(4)
  private pending = 0
  private atStart = true
  private blankSeen = false
  private anyText = false
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(
    private readonly pieces: Pieces,
    private readonly rules: DecodingRules,
  ) {}

  push(id: number, position?: number): string {
    const { pieces } = this
    if (id >>> 0 !== id || id >= pieces.size) throw unknownId(id, position, `ids are integers from 0 to ${pieces.size - 1}`)
    const byte = pieces.byteOf[id]!
    if (byte >= 0) {
      this.bytes[this.pending++] = byte
      return this.takeBytes(false)
    }
    const before = this.takeBytes(true)
    if (this.blankSeen || this.anyText) this.atStart = false
    const text = this.piece(id)
    if (text !== '') this.anyText = true
    return before + text
  }

  end(): string {
    return this.takeBytes(true)
  }

  private piece(id: number): string {
    const { pieces, rules } = this
    this.blankSeen = false
    const type = pieces.typeOf(id)
    const form = pieces.form(id)
    if (type === PieceType.control) return rules.showControl ? form : ''
    if (type === PieceType.unknown) return rules.unknownSurface
    let text = form
    if (this.atStart && rules.dropBlank !== 'no' && text.startsWith(BLANK_SYMBOL)) {
      text = text.slice(1)
      this.blankSeen = rules.dropBlank === 'one'
    }
    return text.replaceAll(BLANK_SYMBOL, ' ')
  }

  /** The characters that the bytes at hand make; incomplete ones wait unless `all`. */
  private takeBytes(all: boolean): string {
    const { bytes } = this
    let text = ''
    let at = 0
    while (at < this.pending) {
      const first = bytes[at]!
      const needed = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 1
      if (!all && at + needed > this.pending) break
      const length = validLength(bytes, at, this.pending)
      text += length === 0 ? '\ufffd' : this.utf8.decode(bytes.subarray(at, at + length))
      at += Math.max(1, length)
    }
    bytes.copyWithin(0, at, this.pending)
    this.pending -= at
    if (text !== '') this.anyText = true
    return text
  }
}
