import { TokenizerError } from '../../errors.js'

/** One field of a message. Numbers of every wire type come as `number` (varints modulo 2^64 as far as a double is exact) or bytes. */
export interface ProtoField {
  readonly number: number
  /** Where the value begins in the file. */
  readonly at: number
  readonly value: number | Uint8Array
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wire: number
}

/**
 * Reads a protobuf message field by field: enough of the format for SentencePiece's files. Every length is checked against the bytes that
 * are there, so nothing is allocated on a file's word.
 *
 * @throws TokenizerError `FILE`, with the position
 */
export class ProtoReader {
  private at: number

  /**
   * @param file the whole file
   * @param what what the message is, for messages of errors
   * @param start where the message begins
   * @param end where it ends
   */
  constructor(
    private readonly file: Uint8Array,
    private readonly what: string,
    start = 0,
    private readonly end = file.length,
  ) {
    this.at = start
  }

  /** The next field, or undefined at the end. */
  next(): ProtoField | undefined {
    if (this.at === this.end) return undefined
    const start = this.at
    const tag = this.varint()
    const number = Math.floor(tag / 8)
    const wire = tag % 8
    if (number === 0 || number >= 2 ** 29) throw this.fail(`has a field numbered ${number}`, start)
    const at = this.at
    if (wire === 0) return { number, wire, at, value: this.varint() }
    if (wire === 1 || wire === 5) {
      const bytes = this.take(wire === 1 ? 8 : 4, number)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      return { number, wire, at, value: wire === 1 ? view.getFloat64(0, true) : view.getFloat32(0, true) }
    }
    if (wire === 2) {
      const length = this.varint()
      return { number, wire, at: this.at, value: this.take(length, number) }
    }
    throw this.fail(`has field ${number} with the wire type ${wire}, which is none of 0, 1, 2 and 5`, start)
  }

  fail(problem: string, position: number): TokenizerError {
    return new TokenizerError('FILE', `SentencePiece model: ${this.what} ${problem} (at byte ${position})`, { position })
  }

  private take(length: number, field: number): Uint8Array {
    if (length > this.end - this.at) {
      throw this.fail(`gives field ${field} a length of ${length} bytes, but ${this.end - this.at} are left`, this.at)
    }
    this.at += length
    return this.file.subarray(this.at - length, this.at)
  }

  private varint(): number {
    const start = this.at
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at === this.end) throw this.fail('ends inside a number', start)
      const byte = this.file[this.at++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw this.fail('has a number of more than ten bytes', start)
  }
}
