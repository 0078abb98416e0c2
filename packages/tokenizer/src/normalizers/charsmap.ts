import { TokenizerError } from '../errors.js'

/** Real rules match a few characters; a file that goes on and on would make normalizing quadratic. */
const MAX_RULE_BYTES = 512
/** The longest replacement in Unicode's normal forms has 33 bytes; a file with much longer ones would exhaust memory. */
const MAX_REPLACEMENT_BYTES = 1024
const BLANK = 0x20

/**
 * The rules of a SentencePiece normalizer, compiled as in its files: a double-array trie (Darts-clone: 32-bit units whose children lie at
 * `offset ^ label`) from byte strings to places in a list of replacements, each ended by a zero byte. Every index is checked when it is used.
 *
 * Source: J. Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array Structure", IEEE TSE 1989; S. Yata, Darts-clone.
 */
export class CharsMap {
  /** The replacement of the last match is `replacements[from, to)`. */
  from = 0
  to = 0
  readonly replacements: Uint8Array
  private readonly units: Uint32Array
  /** 1 for each ASCII character that no rule rewrites when an ASCII character or nothing follows. */
  readonly plain = new Uint8Array(128)

  /**
   * @param blob the size of the trie in bytes (uint32, little-endian), the trie, and the replacements
   * @param where what the blob is part of, for messages
   * @throws TokenizerError `FILE`
   */
  constructor(
    readonly blob: Uint8Array,
    private readonly where: string,
  ) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
    if (blob.length < 4) throw this.fail(`has ${blob.length} bytes, too few for the size of its trie`)
    const size = view.getUint32(0, true)
    if (size > blob.length - 4) throw this.fail(`says its trie has ${size} bytes, but only ${blob.length - 4} follow`)
    if (size % 4 !== 0) throw this.fail(`says its trie has ${size} bytes, which is no multiple of 4`)
    this.units = new Uint32Array(size / 4)
    for (let i = 0; i < this.units.length; i++) this.units[i] = view.getUint32(4 + i * 4, true)
    this.replacements = blob.subarray(4 + size)
    this.checkReplacements()
    for (let byte = 0; byte < 128; byte++) this.plain[byte] = this.isPlain(byte) ? 1 : 0
  }

  /** Whether ASCII letters, digits and the blank stay as they are before ASCII, and no rule reaches from something else into a character that is steady. */
  get keepsWords(): boolean {
    for (let byte = BLANK; byte < 128; byte++) {
      if ((byte === BLANK || /[A-Za-z0-9]/.test(String.fromCharCode(byte))) && this.plain[byte] === 0) return false
    }
    return !this.reachesSteady()
  }

  /** The length of the longest prefix of `bytes[at, end)` that a rule matches, or 0. Sets `from` and `to` to its replacement. */
  longest(bytes: Uint8Array, at: number, end: number): number {
    return this.match(bytes, at, end, false)
  }

  /** As {@link CharsMap.longest}, for the shortest prefix. */
  shortest(bytes: Uint8Array, at: number, end: number): number {
    return this.match(bytes, at, end, true)
  }

  /** What rules match, in no order; of a damaged trie each unit is looked at once. */
  *keys(): Generator<Uint8Array> {
    const { units } = this
    if (units.length === 0) return
    const seen = new Uint8Array(units.length)
    const open: { readonly base: number; readonly key: readonly number[] }[] = [{ base: offsetOf(units[0]!), key: [] }]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (let byte = 1; byte < 256; byte++) {
        const position = node.base ^ byte
        if (position >= units.length || (units[position]! & 0x800000ff) !== byte || seen[position] === 1) continue
        seen[position] = 1
        const key = [...node.key, byte]
        if (key.length > MAX_RULE_BYTES) throw this.fail(`has a rule for more than ${MAX_RULE_BYTES} bytes`)
        if ((units[position]! & 0x100) !== 0) yield Uint8Array.from(key)
        open.push({ base: position ^ offsetOf(units[position]!), key })
      }
    }
  }

  private match(bytes: Uint8Array, at: number, end: number, first: boolean): number {
    const { units } = this
    if (units.length === 0) return 0
    let position = offsetOf(units[0]!)
    let length = 0
    let value = 0
    for (let i = at; i < end; i++) {
      const byte = bytes[i]!
      position ^= byte
      if (position >= units.length) break
      const unit = units[position]!
      // The top bit marks values, which have no label.
      if ((unit & 0x800000ff) !== byte) break
      if (i - at >= MAX_RULE_BYTES) throw this.fail(`has a rule for more than ${MAX_RULE_BYTES} bytes`)
      position ^= offsetOf(unit)
      if ((unit & 0x100) === 0) continue
      if (position >= units.length) throw this.fail(`points to unit ${position} of its trie, which has ${units.length}`)
      length = i + 1 - at
      value = units[position]! & 0x7fffffff
      if (first) break
    }
    if (length > 0) this.seek(value)
    return length
  }

  /** Whether a rule has a character that may be steady, see `isSteady`, elsewhere than at its beginning. */
  private reachesSteady(): boolean {
    const { units } = this
    if (units.length === 0) return false
    const seen = new Uint8Array(units.length)
    // Places and how many bytes of a character are still to come there; −1 at the root.
    const open: number[] = [offsetOf(units[0]!), -1]
    for (
      let missing = open.pop(), base = open.pop();
      missing !== undefined && base !== undefined;
      missing = open.pop(), base = open.pop()
    ) {
      for (let byte = 1; byte < 256; byte++) {
        const position = base ^ byte
        // Of a damaged trie each unit is looked at once.
        if (position >= units.length || (units[position]! & 0x800000ff) !== byte || seen[position] === 1) continue
        if (missing === 0 && mayBeginSteady(byte)) return true
        seen[position] = 1
        open.push(
          position ^ offsetOf(units[position]!),
          missing > 0 ? missing - 1 : byte < 0xc0 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3,
        )
      }
    }
    return false
  }

  private seek(value: number): void {
    const { replacements } = this
    if (value >= replacements.length) throw this.fail(`points to byte ${value} of its replacements, which have ${replacements.length}`)
    if ((replacements[value]! & 0xc0) === 0x80)
      throw this.fail(`points into the middle of a character at byte ${value} of its replacements`)
    this.from = value
    const end = replacements.indexOf(0, value)
    this.to = end < 0 ? replacements.length : end
  }

  private checkReplacements(): void {
    const { replacements } = this
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(replacements)
    } catch (cause) {
      throw this.fail('has replacements that are not UTF-8', cause)
    }
    for (let at = 0; at < replacements.length;) {
      const end = replacements.indexOf(0, at)
      const after = end < 0 ? replacements.length : end
      if (after - at > MAX_REPLACEMENT_BYTES) {
        throw this.fail(
          `has a replacement of ${after - at} bytes at byte ${at} of its replacements; at most ${MAX_REPLACEMENT_BYTES} are taken`,
        )
      }
      at = after + 1
    }
  }

  private isPlain(byte: number): boolean {
    const { units } = this
    if (units.length === 0) return true
    const position = offsetOf(units[0]!) ^ byte
    if (position >= units.length || (units[position]! & 0x800000ff) !== byte) return true
    if ((units[position]! & 0x100) !== 0) return false
    const children = position ^ offsetOf(units[position]!)
    for (let next = 0; next < 128; next++) {
      const child = children ^ next
      if (child < units.length && (units[child]! & 0x800000ff) === next) return false
    }
    return true
  }

  private fail(what: string, cause?: unknown): TokenizerError {
    return new TokenizerError('FILE', `${this.where}: the precompiled charsmap ${what}`, cause === undefined ? {} : { cause })
  }
}

const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6)

/** Whether a character that begins with this byte may be steady: ASCII, a Cyrillic letter, ideograph or Hangul syllable. */
const mayBeginSteady = (byte: number): boolean =>
  (byte >= BLANK && byte < 0x7f) || byte === 0xd0 || byte === 0xd1 || (byte >= 0xe4 && byte <= 0xed)
