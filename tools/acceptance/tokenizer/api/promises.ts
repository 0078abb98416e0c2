// What the API promises of itself, checked by what a plain reading of the promise computes.
import type { Tokenizer } from '@tesserae/tokenizer'

export interface Broken {
  readonly checks: number
  readonly broken: readonly string[]
}

class Checks {
  checks = 0
  readonly broken: string[] = []

  that(holds: boolean, what: () => string): void {
    this.checks++
    if (!holds) this.broken.push(what())
  }
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 60))
const wellFormed = (text: string): string => text.replace(/[\ud800-\udfff]/gu, '\ufffd')

/** Offsets in bytes and code points are those in UTF-16 units, counted otherwise. */
export function offsetUnits(tokenizer: Tokenizer, texts: readonly string[]): Broken {
  const checks = new Checks()
  for (const text of texts) {
    const clean = wellFormed(text)
    const of = (offsets: 'utf16' | 'utf8' | 'codepoint') => [
      ...tokenizer.encodeWithOffsets(text, { special: 'allow', offsets, truncation: false, padding: false }).offsets,
    ]
    const units = of('utf16')
    for (const [unit, count] of [
      ['utf8', (part: string) => Buffer.byteLength(part)],
      ['codepoint', (part: string) => [...part].length],
    ] as const) {
      const expected = units.map((at) => count(clean.slice(0, at)))
      checks.that(of(unit).join() === expected.join(), () => `offsets in ${unit} of ${shown(text)}`)
    }
  }
  return checks
}

/** Ids pushed one at a time, from every place of a split on, give the whole decoding. */
export function streams(tokenizer: Tokenizer, texts: readonly string[]): Broken {
  const checks = new Checks()
  const decoder = tokenizer.decoder()
  for (const text of texts) {
    const ids = [...tokenizer.encode(text, { special: 'allow' })].slice(0, 40)
    for (let cut = 0; cut <= ids.length; cut++) {
      const parts = [ids.slice(0, cut), ids.slice(cut)]
      for (const part of parts) {
        // One decoder for all streams: nothing leaks from one into the next.
        const streamed = part.map((id) => decoder.push(id)).join('') + decoder.flush()
        checks.that(streamed === tokenizer.decode(part), () => `stream of ${part.join()} of ${shown(text)}`)
      }
    }
  }
  return checks
}

/** Bytes of tokens joined are the text, for tokenizers that keep every byte. */
export function tokenBytes(tokenizer: Tokenizer, texts: readonly string[]): Broken {
  const checks = new Checks()
  for (const text of texts) {
    const bytes = Buffer.concat([...tokenizer.encode(text, { special: 'allow', addSpecial: false })].map((id) => tokenizer.tokenBytes(id)))
    checks.that(bytes.equals(Buffer.from(wellFormed(text))), () => `bytes of ${shown(text)}`)
  }
  return checks
}

/** Truncation gives whole characters and the longest that fit: every longer one is counted. */
export function truncation(tokenizer: Tokenizer, texts: readonly string[]): Broken {
  const checks = new Checks()
  const special = 'text'
  for (const whole of texts) {
    const text = whole.slice(0, 60)
    // Where whole characters end.
    const cuts = [0]
    for (const char of text) cuts.push(cuts.at(-1)! + char.length)
    for (const limit of [0, 1, 2, 5, 12]) {
      for (const side of ['right', 'left'] as const) {
        const kept = (cut: number): string => (side === 'right' ? text.slice(0, cut) : text.slice(cut))
        const places = side === 'right' ? cuts.toReversed() : cuts
        const longest = places.find((cut) => tokenizer.count(kept(cut), { special }) <= limit)
        const expected = longest === undefined ? '' : kept(longest)
        const given = tokenizer.truncateToTokens(text, limit, { side, special })
        checks.that(
          given === expected,
          () =>
            `the ${side === 'right' ? 'beginning' : 'end'} of ${limit} tokens of ${shown(text)}: ${shown(given)}, expected ${shown(expected)}`,
        )
      }
      checks.that(
        tokenizer.isWithinLimit(text, limit, { special }) === tokenizer.count(text, { special }) <= limit,
        () => `whether ${shown(text)} is within ${limit}`,
      )
    }
  }
  return checks
}

/** A counter gives after every push the count of all text so far. */
export function counting(tokenizer: Tokenizer, texts: readonly string[], random: () => number): Broken {
  const checks = new Checks()
  for (const text of texts) {
    const counter = tokenizer.counter({ special: 'text' })
    for (let at = 0; at < text.length;) {
      const next = Math.min(text.length, at + 1 + Math.floor(random() * 24))
      const count = counter.push(text.slice(at, next))
      checks.that(count === tokenizer.count(text.slice(0, next), { special: 'text' }), () => `count of ${shown(text.slice(0, next))}`)
      at = next
    }
  }
  return checks
}

/** Healing takes off the tokens from the first on from which all bytes to the end begin a longer token, found by looking at every token. */
export function healing(tokenizer: Tokenizer, texts: readonly string[]): Broken {
  const checks = new Checks()
  const special = new Set(tokenizer.specialTokens.values())
  const tokens: Buffer[] = []
  for (let id = 0; id < tokenizer.vocabSize; id++) if (!special.has(id)) tokens.push(Buffer.from(tokenizer.tokenBytes(id)))
  for (const text of texts) {
    const ids = [...tokenizer.encode(text, { special: 'allow' })].slice(0, 12)
    let [kept, prefix] = [ids.length, Buffer.alloc(0)]
    let bytes = Buffer.alloc(0)
    for (let at = ids.length - 1; at >= 0 && !special.has(ids[at]!); at--) {
      bytes = Buffer.concat([tokenizer.tokenBytes(ids[at]!), bytes])
      if (tokens.some((token) => token.length > bytes.length && token.subarray(0, bytes.length).equals(bytes))) [kept, prefix] = [at, bytes]
    }
    const healed = tokenizer.heal(ids)
    checks.that([...healed.ids].join() === ids.slice(0, kept).join() && prefix.equals(healed.prefixBytes), () => `healing of ${ids.join()}`)
  }
  return checks
}
