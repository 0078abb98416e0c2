/** Bytes by what they are alike in, for some sets of them. */
import type { ByteSet } from './bytes.js'
import type { Node, Nodes } from './nodes.js'

export interface Classes {
  /** The class of each byte. */
  readonly table: Uint8Array
  readonly count: number
}

export class ByteClasses {
  private readonly known = new Map<string, Classes>()

  constructor(private readonly nodes: Nodes) {}

  /** @param sets expressions of one byte, in order; bytes that are in the same ones are of one class */
  of(sets: readonly Node[]): Classes {
    const key = sets.join()
    let classes = this.known.get(key)
    if (classes === undefined) this.known.set(key, (classes = this.make(sets)))
    return classes
  }

  private make(sets: readonly Node[]): Classes {
    return classesOf(sets.map((node) => (this.nodes.data[node] as { readonly set: ByteSet }).set))
  }
}

/** Bytes that are in the same ones of some sets are of one class. */
export function classesOf(sets: readonly ByteSet[]): Classes {
  const table = new Uint8Array(256)
  const sizes = new Uint16Array(256)
  const inside = new Uint16Array(256)
  /** The class of those of a class that are in a set, where not all of them are. */
  const parted = new Uint16Array(256)
  let count = 1
  sizes[0] = 256
  for (const set of sets) {
    const [only, second] = set.firstTwo()
    if (second < 0) {
      const from = only < 0 ? 0 : table[only]!
      if (only < 0 || sizes[from] === 1) continue
      sizes[from]!--
      sizes[count] = 1
      table[only] = count++
      continue
    }
    inside.fill(0)
    parted.fill(0)
    for (let byte = 0; byte < 256; byte++) if (set.has(byte)) inside[table[byte]!]!++
    for (let byte = 0; byte < 256; byte++) {
      const from = table[byte]!
      if (!set.has(byte) || inside[from] === sizes[from]) continue
      // No class is parted into the first one, which was there before any was.
      if (parted[from] === 0) parted[from] = count++
      table[byte] = parted[from]!
    }
    for (let from = 0; from < 256; from++)
      if (parted[from] !== 0) {
        sizes[parted[from]!] = inside[from]!
        sizes[from]! -= inside[from]!
      }
  }
  return { table, count }
}
