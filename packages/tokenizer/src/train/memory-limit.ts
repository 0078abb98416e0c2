import { TokenizerError } from '../errors.js'

/** Two gigabytes, of which a program of Node's gets along without further ado. */
const DEFAULT = 2 ** 31

/** Watches over the memory of a trainer's tables. */
export class MemoryLimit {
  /** Bytes allowed. */
  readonly bytes: number
  /** What was read, for the error. */
  private texts = 0
  private pieces = 0

  /** @throws TokenizerError `VALUE` for what is no number of bytes */
  constructor(bytes: number | undefined) {
    this.bytes = bytes ?? DEFAULT
    if (!(this.bytes >= 2 ** 20)) {
      throw new TokenizerError('VALUE', `maxMemory is a number of bytes, 1048576 (1 MB) or more, got ${String(bytes)}`)
    }
  }

  /** Remembers how far reading is. */
  seen(texts: number, pieces: number): void {
    this.texts = texts
    this.pieces = pieces
  }

  /** @throws TokenizerError `MEMORY` when `bytes` are more than allowed; `what` takes them */
  check(bytes: number, what: string): void {
    if (bytes <= this.bytes) return
    throw new TokenizerError(
      'MEMORY',
      `Training would take more than maxMemory, ${megabytes(this.bytes)}: ${megabytes(bytes)} for ${what}. ` +
        `The texts so far (${megabytes(this.texts)}) have ${this.pieces} distinct pieces; raise maxMemory, give fewer texts, ` +
        'or split them so that pieces repeat more often',
    )
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
