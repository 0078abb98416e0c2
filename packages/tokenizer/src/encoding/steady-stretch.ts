import type { Prefixes } from '../models/prefixes.js'
import type { GrowingText } from '../pipeline/components.js'
import { isSteady } from './safe-cuts.js'
import type { Stretch } from './stretch.js'

/** What comes behind a steady place is normalized behind this, since at the beginning of a text other things are done. */
const ANCHOR = 'a'

/** A stretch of normalized text in one piece. What is before the last steady place is normalized once; what is behind it, each time. */
export class SteadyStretch implements Stretch {
  private readonly prefixes: Prefixes
  /** Text behind the last steady place. */
  private pending = ''
  private anchor: number | undefined
  private lost = false
  // The last bytes, in which the beginning of what must not be there can be.
  private recent = new Uint8Array(0)
  private readonly window: number

  /** @param begins whether the stretch begins the text */
  constructor(
    private readonly rules: GrowingText,
    private begins: boolean,
  ) {
    this.prefixes = rules.prefixes()
    this.window = rules.apart.reduce((longest, bytes) => Math.max(longest, bytes.length), 1) - 1
  }

  least = 0

  push(text: string): number | undefined {
    if (this.lost) return undefined
    const whole = this.pending + text
    let place = whole.length - 1
    const first = Math.max(1, this.pending.length)
    while (place >= first && !isSteady(whole, place)) place--
    if (place >= first) {
      this.add(whole.slice(0, place))
      this.begins = false
      this.pending = whole.slice(place)
      // No beginning that is counted now can go away.
      this.least = this.prefixes.least
    } else this.pending = whole
    const settled = this.prefixes.length
    const { recent } = this
    this.add(this.pending)
    this.recent = recent
    const { count } = this.prefixes
    this.prefixes.truncate(settled)
    return this.lost ? undefined : count
  }

  private add(part: string): void {
    const { rules, prefixes } = this
    let bytes = rules.normalized(this.begins ? part : ANCHOR + part)
    if (!this.begins) {
      const behind = bytes.slice()
      this.anchor ??= rules.normalized(ANCHOR).length
      bytes = behind.subarray(this.anchor)
    }
    this.look(bytes)
    if (this.lost) return
    prefixes.push(bytes, 0, bytes.length)
  }

  private look(bytes: Uint8Array): void {
    if (this.rules.apart.length === 0) return
    const seen = new Uint8Array(this.recent.length + bytes.length)
    seen.set(this.recent)
    seen.set(bytes, this.recent.length)
    this.lost ||= this.rules.apart.some((symbol) => holds(seen, symbol))
    this.recent = seen.slice(Math.max(0, seen.length - this.window))
  }
}

function holds(bytes: Uint8Array, sought: Uint8Array): boolean {
  for (let at = bytes.indexOf(sought[0]!); at >= 0; at = bytes.indexOf(sought[0]!, at + 1)) {
    if (at + sought.length <= bytes.length && sought.every((byte, i) => bytes[at + i] === byte)) return true
  }
  return false
}
