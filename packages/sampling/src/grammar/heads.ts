import type { ByteSet } from './bytes.js'
import type { Node, Nodes } from './nodes.js'
import type { Rest } from './rests.js'

export const NO_PRODUCT = -1
export const NO_BYTES: Node = -1

/** A byte that may come next, and what is to follow it. */
export interface Head {
  /** One byte of a set … */
  readonly bytes: Node
  readonly set: ByteSet | undefined
  /** … or one of what several expressions together take. */
  readonly product: number
  readonly rest: Rest
  /** Where it is the beginning of one of the characters that are told apart (`MachineOptions.character`): how many of them may come. */
  readonly room: number
}

/** Heads, each kept once. */
export class Heads {
  private readonly list: Head[] = []
  private readonly ids = new Map<number | string, number>()

  constructor(private readonly nodes: Nodes) {}

  get(id: number): Head {
    return this.list[id]!
  }

  /** @param bytes an expression of one byte, or `NO_BYTES` for a product */
  id(bytes: Node, product: number, rest: Rest, room: number): number {
    const key = keyOf(bytes, product, rest, room)
    let id = this.ids.get(key)
    if (id === undefined) {
      const data = bytes < 0 ? undefined : this.nodes.data[bytes]
      id = this.list.push({ bytes, set: data?.kind === 'bytes' ? data.set : undefined, product, rest, room }) - 1
      this.ids.set(key, id)
    }
    return id
  }

  /** The byte that all heads ask for, −1 where there are several. */
  onlyByte(heads: readonly number[]): number {
    let only = -1
    for (const id of heads) {
      const { set } = this.get(id)
      if (set === undefined) return -1
      const [first, second] = set.firstTwo()
      if (second >= 0 || (only >= 0 && only !== first)) return -1
      only = first
    }
    return only
  }

  /** The head of bytes with what follows them, if there is one. */
  find(bytes: Node, rest: Rest, room: number): number | undefined {
    return this.ids.get(keyOf(bytes, NO_PRODUCT, rest, room))
  }
}

const keyOf = (bytes: Node, product: number, rest: Rest, room: number): number | string =>
  bytes >= 0 && room === 0 ? bytes * 2 ** 26 + rest : `${bytes},${product},${rest},${room}`
