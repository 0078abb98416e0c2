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
    const table = new Uint8Array(256)
    const known = new Map<string, number>()
    const all = sets.map((node) => (this.nodes.data[node] as { readonly set: ByteSet }).set)
    for (let byte = 0; byte < 256; byte++) {
      let signature = ''
      for (const set of all) signature += set.has(byte) ? '1' : '0'
      const one = known.get(signature) ?? known.size
      known.set(signature, one)
      table[byte] = one
    }
    return { table, count: known.size }
  }
}
