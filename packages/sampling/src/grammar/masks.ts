/** Which tokens may come where a text stands. */
import { DEAD, type Config, type Machine } from './machine.js'
import type { Trie, Vocabulary } from './vocabulary.js'

/** Masks that are kept, of the configurations asked for last. */
const MOST_MASKS = 512
/** Parts of masks that are kept. */
const MOST_PARTS = 4_096
/** What is to follow beyond so much is not part of what a part of a mask is known by: hardly a token closes more than a string. */
const LEVELS = 2
/** Parts of fewer tokens are lists of them. */
const FEW = 512

/** The tokens that go on in one way. */
interface Part {
  readonly ids: Int32Array | undefined
  readonly bits: Uint32Array | undefined
  /** Nodes of the tree of tokens from which on it depends on what was cut off. */
  readonly open: readonly number[]
  readonly trie: Trie
}

/** Masks of a machine's configurations, put together of parts that do not depend on the whole of where the text stands. */
export class Masks {
  private readonly known = new Map<Config, Uint32Array>()
  private readonly parts = new Map<Config, Part>()
  private readonly stack: Int32Array
  private readonly scratch: Uint32Array

  constructor(
    readonly machine: Machine,
    readonly vocabulary: Vocabulary,
  ) {
    this.stack = new Int32Array(vocabulary.longest + 1)
    this.scratch = new Uint32Array(vocabulary.words)
  }

  /** The mask of a configuration, which must not be written to: bit `id % 32` of word `id >> 5` for token `id`. */
  of(config: Config): Uint32Array {
    return keep(this.known, config, MOST_MASKS, () => this.make(config))
  }

  private make(config: Config): Uint32Array {
    const { machine, vocabulary } = this
    const mask = new Uint32Array(vocabulary.words)
    for (const cut of machine.cut(config, vocabulary.longest, LEVELS)) {
      const { ids, bits, open, trie } = keep(this.parts, cut, MOST_PARTS, () => this.partOf(cut))
      if (bits !== undefined) for (let i = 0; i < mask.length; i++) mask[i]! |= bits[i]!
      if (ids !== undefined) for (let i = 0; i < ids.length; i++) allow(mask, ids[i]!)
      for (const node of open) this.goOn(trie, node, config, mask)
    }
    if (machine.accepts(config)) for (const id of vocabulary.end) allow(mask, id)
    return mask
  }

  private partOf(config: Config): Part {
    const { machine, vocabulary, scratch } = this
    const open: number[] = []
    const room = machine.roomOf(config)
    // Tokens of nothing but text are known at once, where all of them may come.
    const trie = room > 0 && machine.isWhole(config) ? vocabulary.rest : vocabulary.all
    if (trie === vocabulary.rest) scratch.set(vocabulary.plainMask(room))
    else scratch.fill(0)
    this.stack[0] = config
    this.walk(trie, 0, trie.bytes.length, scratch, open)
    let count = 0
    for (let i = 0; i < scratch.length; i++) count += countBits(scratch[i]!)
    if (count >= FEW) return { ids: undefined, bits: scratch.slice(), open, trie }
    const ids = new Int32Array(count)
    let at = 0
    for (let i = 0; i < scratch.length; i++) for (let word = scratch[i]!; word !== 0; word &= word - 1) ids[at++] = 32 * i + (31 - Math.clz32(word & -word))
    return { ids, bits: undefined, open, trie }
  }

  /** Tokens from a node on, by where the text really stands. */
  private goOn(trie: Trie, node: number, config: Config, mask: Uint32Array): void {
    const { machine, stack, vocabulary } = this
    const depth = trie.depths[node]!
    const bytes = vocabulary.tokens[trie.tokens[trie.starts[node]!]!]!
    stack[0] = config
    for (let i = 0; i < depth; i++) {
      const next = machine.step(stack[i]!, bytes[i]!)
      if (next === DEAD) return
      stack[i + 1] = next
    }
    this.walk(trie, node, node + trie.sizes[node]!, mask, undefined)
  }

  /** Allows the tokens of nodes from `from` to `to` that lead on from the configurations on the stack. Those that come to what was cut off are put into `open`. */
  private walk({ bytes, depths, sizes, starts, tokens, plainBelow }: Trie, from: number, to: number, mask: Uint32Array, open: number[] | undefined): void {
    const { machine, stack } = this
    for (let node = from; node < to; ) {
      const depth = depths[node]!
      const next = machine.step(stack[depth]!, bytes[node]!)
      if (next === DEAD) {
        node += sizes[node]!
        continue
      }
      if (open !== undefined && machine.isOpen(next)) {
        open.push(node)
        node += sizes[node]!
        continue
      }
      stack[depth + 1] = next
      // Where text stands for itself, all that goes on with nothing else is allowed together.
      const plain = plainBelow[node]!
      const isFree = plain > 0 && machine.roomOf(next) >= plain
      const after = isFree ? node + sizes[node]! : node + 1
      const end = starts[after]!
      for (let at = starts[node]!; at < end; at++) allow(mask, tokens[at]!)
      node = after
    }
  }
}

function allow(mask: Uint32Array, id: number): void {
  mask[id >> 5]! |= 1 << (id & 31)
}

function countBits(word: number): number {
  let one = word - ((word >>> 1) & 0x55555555)
  one = (one & 0x33333333) + ((one >>> 2) & 0x33333333)
  return (((one + (one >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

/** What is kept under a key as what was asked for last; what was asked for longest ago is let go of. */
function keep<T>(known: Map<Config, T>, key: Config, most: number, make: () => T): T {
  let value = known.get(key)
  if (value === undefined) value = make()
  else known.delete(key)
  known.set(key, value)
  if (known.size > most) known.delete(known.keys().next().value!)
  return value
}
