import { TokenizerError } from './errors.js'

/** The bytes of every token, in one array. Ids without a token are allowed: real vocabularies have gaps. */
export class Vocabulary {
  /** One more than the highest id. */
  readonly size: number
  readonly bytes: Uint8Array
  /** Token `id` is `bytes[starts[id], starts[id + 1])`. */
  readonly starts: Uint32Array
  /** The ids without a token. */
  readonly missing: ReadonlySet<number>

  constructor(tokens: readonly (Uint8Array | undefined)[] | JoinedTokens) {
    const joined = 'starts' in tokens ? tokens : join(tokens)
    this.bytes = joined.bytes
    this.starts = joined.starts
    this.size = joined.starts.length - 1
    this.missing = joined.missing
  }

  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.size && !this.missing.has(id)
  }

  /** @throws TokenizerError `TOKEN_ID` when no token has this id; `position` says where in a list it stood. */
  check(id: number, position?: number): void {
    if (id >>> 0 === id && id < this.size && (this.missing.size === 0 || !this.missing.has(id))) return
    throw unknownId(
      id,
      position,
      this.missing.size === 0 ? `ids are integers from 0 to ${this.size - 1}` : `ids are below ${this.size}, with gaps`,
    )
  }

  /** A copy of a token's bytes. */
  tokenBytes(id: number): Uint8Array {
    this.check(id)
    return this.bytes.slice(this.starts[id], this.starts[id + 1])
  }
}

/** The bytes of every token one after another: token `id` is `bytes[starts[id], starts[id + 1])`, and those in `missing` are none. */
export interface JoinedTokens {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
  readonly missing: ReadonlySet<number>
}

function join(tokens: readonly (Uint8Array | undefined)[]): JoinedTokens {
  const starts = new Uint32Array(tokens.length + 1)
  const missing = new Set<number>()
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id]
    if (token === undefined) missing.add(id)
    starts[id + 1] = starts[id]! + (token?.length ?? 0)
  }
  const bytes = new Uint8Array(starts[tokens.length]!)
  for (let id = 0; id < tokens.length; id++) if (tokens[id] !== undefined) bytes.set(tokens[id]!, starts[id])
  return { bytes, starts, missing }
}

/** The error for an id that no token has; `position` says where in a list it stood. */
export function unknownId(id: number, position: number | undefined, known: string): TokenizerError {
  const where = position === undefined ? '' : ` at index ${position}`
  return new TokenizerError('TOKEN_ID', `No token has the id ${String(id)}${where}; ${known}`, position === undefined ? {} : { position })
}
