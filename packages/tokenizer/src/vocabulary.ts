import { TokenizerError } from './errors.js'

/** The bytes of every token, in one array. Ids without a token are allowed: real vocabularies have gaps. */
export class Vocabulary {
  /** One more than the highest id. */
  readonly size: number
  readonly bytes: Uint8Array
  /** Token `id` is `bytes[starts[id], starts[id + 1])`. */
  readonly starts: Uint32Array
  private readonly missing: ReadonlySet<number>

  constructor(tokens: readonly (Uint8Array | undefined)[]) {
    this.size = tokens.length
    this.starts = new Uint32Array(tokens.length + 1)
    const missing = new Set<number>()
    for (let id = 0; id < tokens.length; id++) {
      const token = tokens[id]
      if (token === undefined) missing.add(id)
      this.starts[id + 1] = this.starts[id]! + (token?.length ?? 0)
    }
    this.bytes = new Uint8Array(this.starts[tokens.length]!)
    for (let id = 0; id < tokens.length; id++) if (tokens[id] !== undefined) this.bytes.set(tokens[id]!, this.starts[id])
    this.missing = missing
  }

  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.size && !this.missing.has(id)
  }

  /** @throws TokenizerError `TOKEN_ID` when no token has this id; `position` says where in a list it stood. */
  check(id: number, position?: number): void {
    if (id >>> 0 === id && id < this.size && (this.missing.size === 0 || !this.missing.has(id))) return
    const where = position === undefined ? '' : ` at index ${position}`
    const known = this.missing.size === 0 ? `ids are integers from 0 to ${this.size - 1}` : `ids are below ${this.size}, with gaps`
    throw new TokenizerError('TOKEN_ID', `No token has the id ${String(id)}${where}; ${known}`, position === undefined ? {} : { position })
  }

  /** A copy of a token's bytes. */
  tokenBytes(id: number): Uint8Array {
    this.check(id)
    return this.bytes.slice(this.starts[id], this.starts[id + 1])
  }
}
