/** Which tokens may come where a text stands. */
import { ByteSet } from './bytes.js'
import type { CharacterSet } from './character-set.js'
import { DEAD, type Config, type Machine } from './machine.js'
import { Recent } from './recent.js'
import { Described } from './shared-parts.js'
import type { Trie, Vocabulary } from './vocabulary.js'

/** Masks that are kept at least, of the configurations asked for last; twice as many at most. */
const MOST_MASKS = 256
/** Parts of masks that are kept. */
const MOST_PARTS = 2_048
/** What is to follow beyond so much is not part of what a part of a mask is known by: hardly a token closes more than a string. */
const LEVELS = 1
/** Nodes of a part from which on it depends on what was cut off; of a string's rest there are about 300. */
const MOST_OPEN = 1_024
/** Sets of bytes and of characters that are looked for in the tree of tokens; each takes memory for all of its nodes. */
const MOST_SETS = 64
/** Parts of fewer tokens are lists of them. */
const FEW = 1_024

/** Some tokens: a list of a few, or the bits of a mask. */
interface Tokens {
  readonly ids: Int32Array | undefined
  readonly bits: Uint32Array | undefined
}

/** The tokens that go on in one way. */
export interface Part extends Tokens {
  /** Nodes of the tree of tokens from which on it depends on what was cut off. */
  readonly open: readonly number[]
  readonly trie: Trie
}

/** Of the tokens from a node on, how many of what may come over and over they are at most, if nothing else; and how many may come. */
interface Free {
  readonly from: Int16Array
  readonly room: number
  /** Where nothing of more than that may come: how many there are on the way to a node. */
  readonly counts: Uint16Array | undefined
}

class FreeOf {
  /** By configuration. */
  readonly known: (readonly Free[] | undefined)[] = []
  readonly bySet = new Map<ByteSet | CharacterSet, Int16Array>()
}

/** Masks of a machine's configurations, put together of parts that do not depend on the whole of where the text stands. */
export class Masks {
  private readonly known = new Recent<Tokens>(MOST_MASKS)
  private readonly parts = new Recent<Part>(MOST_PARTS)
  private readonly stack: Int32Array
  /** For each place on the stack, what may come over and over there. */
  private readonly free: (readonly Free[])[] = []
  private readonly freeOfAll = new FreeOf()
  private readonly freeOfRest = new FreeOf()
  private readonly found: Found
  private readonly described: Described

  constructor(
    readonly machine: Machine,
    readonly vocabulary: Vocabulary,
  ) {
    this.stack = new Int32Array(vocabulary.longest + 1)
    this.found = new Found(vocabulary.words)
    this.described = new Described(machine.nodes, vocabulary.descriptions)
  }

  /** Writes the mask of a configuration: bit `id % 32` of word `id >> 5` for token `id`. Throws `GRAMMAR` where text can go on in too many ways. */
  write(config: Config, into: Uint32Array): void {
    const { ids, bits } = this.of(config)
    if (bits !== undefined) return into.set(bits)
    into.fill(0, 0, this.vocabulary.words)
    for (let i = 0; i < ids!.length; i++) allow(into, ids![i]!)
  }

  private of(config: Config): Tokens {
    let mask = this.known.get(config)
    if (mask === undefined) {
      const blurred = this.machine.blur(config, this.vocabulary.longest)
      mask = blurred === config ? this.makeWhole(config) : this.of(blurred)
      this.known.set(config, mask)
    }
    return mask
  }

  private makeWhole(config: Config): Tokens {
    try {
      return this.machine.within(() => this.make(config))
    } catch (error) {
      this.found.clear()
      throw error
    }
  }

  private make(config: Config): Tokens {
    const { machine, vocabulary, found } = this
    // All parts first: they are made with the same memory that collects what goes on from them here.
    const parts = machine.cut(config, vocabulary.longest, LEVELS).map((cut) => this.partOf(cut))
    const isAccepting = machine.accepts(config)
    if (parts.length === 1 && parts[0]!.open.length === 0 && !isAccepting) return parts[0]!
    if (parts.some(({ open }) => open.length > MOST_OPEN)) {
      // Where too much depends on what was cut off, all is looked at by where the text really stands.
      this.stack[0] = config
      this.walk(vocabulary.all, 0, vocabulary.all.bytes.length, found, undefined)
    } else
      for (const { ids, bits, open, trie } of parts) {
        if (bits !== undefined) found.addAll(bits)
        if (ids !== undefined) for (let i = 0; i < ids.length; i++) found.add(ids[i]!)
        for (const node of open) this.goOn(trie, node, config)
      }
    if (isAccepting) for (const id of vocabulary.end) found.add(id)
    return found.take()
  }

  private partOf(config: Config): Part {
    let part = this.parts.get(config)
    if (part === undefined) {
      part = this.sharedPart(config) ?? this.makePart(config)
      this.parts.set(config, part)
    }
    return part
  }

  /** A part that does not depend on the machine, such as that of free text, is made once for all grammars. */
  private sharedPart(config: Config): Part | undefined {
    const { descriptions, sharedParts } = this.vocabulary
    const text = this.machine.describe(config, (node) => this.described.of(node))
    if (text === undefined) return undefined
    const key = descriptions.of(text)
    let part = sharedParts.get(key)
    if (part === undefined) {
      part = this.makePart(config)
      sharedParts.set(key, part)
    }
    return part
  }

  private makePart(config: Config): Part {
    const { machine, vocabulary, found } = this
    const open: number[] = []
    const room = machine.roomOf(config)
    // Tokens of nothing but text are known at once, where all of them may come.
    const isText = room > 0 && machine.isWhole(config)
    const trie = isText ? vocabulary.rest : vocabulary.all
    if (isText) found.begin(vocabulary.plainMask(room))
    this.stack[0] = config
    const only = machine.only(config)
    if (only < 0) this.walk(trie, 0, trie.bytes.length, found, open)
    else if (trie.roots[only]! >= 0) this.walk(trie, trie.roots[only]!, trie.roots[only]! + trie.sizes[trie.roots[only]!]!, found, open)
    return { ...found.take(), open, trie }
  }

  /** What may come over and over where a configuration stands, by the nodes of a tree. */
  private freeAt(trie: Trie, config: Config): readonly Free[] {
    const { known, bySet } = trie === this.vocabulary.all ? this.freeOfAll : this.freeOfRest
    return (known[config] ??= this.machine.loopsOf(config).flatMap(({ set, room, isOnly }): readonly Free[] => {
      const counts = !isOnly ? undefined : set instanceof ByteSet ? trie.depths : trie.characters.counts
      let from = set === undefined ? trie.plainFrom : bySet.get(set)
      if (from === undefined && bySet.size < MOST_SETS) bySet.set(set!, (from = this.vocabulary.from(trie, set!)))
      return from === undefined ? [] : [{ from, room, counts }]
    }))
  }

  /** Tokens from a node on, by where the text really stands. */
  private goOn(trie: Trie, node: number, config: Config): void {
    const { machine, stack, vocabulary } = this
    const depth = trie.depths[node]!
    const bytes = vocabulary.tokens[trie.tokens[trie.starts[node]!]!]!
    stack[0] = config
    for (let i = 0; i < depth; i++) {
      const next = machine.step(stack[i]!, bytes[i]!)
      if (next === DEAD) return
      stack[i + 1] = next
    }
    this.walk(trie, node, node + trie.sizes[node]!, this.found, undefined)
  }

  /** Allows the tokens of nodes from `from` to `to` that lead on from the configurations on the stack. Those that come to what was cut off are put into `open`. */
  private walk(trie: Trie, from: number, to: number, found: Found, open: number[] | undefined): void {
    const { machine, stack, free } = this
    const { bytes, depths, sizes, starts, tokens } = trie
    if (from === to) return
    free[depths[from]!] = this.freeAt(trie, stack[depths[from]!]!)
    for (let node = from; node < to;) {
      const depth = depths[node]!
      // Where bytes or characters may come over and over, all that is nothing else is allowed together.
      const one = freeFrom(free[depth]!, node)
      if (one !== undefined) {
        const after = node + sizes[node]!
        if (one.from[node]! <= one.room) for (let at = starts[node]!, end = starts[after]!; at < end; at++) found.add(tokens[at]!)
        else allowUpTo(trie, node, one, found)
        node = after
        continue
      }
      const next = machine.step(stack[depth]!, bytes[node]!)
      if (next === DEAD) {
        node += sizes[node]!
        continue
      }
      if (open !== undefined && machine.isOpen(next)) {
        // Something follows whatever was cut off: what ends here may come.
        for (let at = starts[node]!; at < starts[node + 1]!; at++) found.add(tokens[at]!)
        const after = node + sizes[node]!
        for (node++; node < after; node += sizes[node]!) open.push(node)
        continue
      }
      stack[depth + 1] = next
      for (let at = starts[node]!; at < starts[node + 1]!; at++) found.add(tokens[at]!)
      if (sizes[node]! > 1) free[depth + 1] = this.freeAt(trie, next)
      node++
    }
  }
}

/** By what all tokens from a node on can be told without a look at their bytes. */
function freeFrom(free: readonly Free[], node: number): Free | undefined {
  for (let i = 0; i < free.length; i++) {
    const { from, room, counts } = free[i]!
    const count = from[node]!
    if (count > 0 && (count <= room || counts !== undefined)) return free[i]
  }
  return undefined
}

/** Allows the tokens from a node on that are not longer than what may come. */
function allowUpTo({ sizes, starts, tokens, characters }: Trie, from: number, { counts, room }: Free, found: Found): void {
  const parent = characters.parents[from]!
  const most = room + (parent < 0 ? (counts === characters.counts ? 0 : -1) : counts![parent]!)
  for (let node = from, to = from + sizes[from]!; node < to;) {
    if (counts![node]! > most) node += sizes[node]!
    else {
      for (let at = starts[node]!; at < starts[node + 1]!; at++) found.add(tokens[at]!)
      node++
    }
  }
}

function allow(mask: Uint32Array, id: number): void {
  mask[id >> 5]! |= 1 << (id & 31)
}

/** Collects tokens: a few as a list, more as bits. */
class Found {
  private readonly ids = new Int32Array(FEW)
  private readonly bits: Uint32Array
  private count = 0
  private isMany = false

  constructor(words: number) {
    this.bits = new Uint32Array(words)
  }

  /** Begins with many. */
  begin(bits: Uint32Array): void {
    this.bits.set(bits)
    this.isMany = true
  }

  add(id: number): void {
    if (!this.isMany && this.count < FEW) {
      this.ids[this.count++] = id
      return
    }
    this.becomeMany()
    allow(this.bits, id)
  }

  /** Those of a mask. */
  addAll(mask: Uint32Array): void {
    this.becomeMany()
    const { bits } = this
    for (let i = 0; i < bits.length; i++) bits[i]! |= mask[i]!
  }

  private becomeMany(): void {
    if (this.isMany) return
    this.isMany = true
    for (let i = 0; i < this.count; i++) allow(this.bits, this.ids[i]!)
  }

  take(): Tokens {
    const tokens = this.isMany ? { ids: undefined, bits: this.bits.slice() } : { ids: this.ids.slice(0, this.count), bits: undefined }
    this.clear()
    return tokens
  }

  clear(): void {
    if (this.isMany) this.bits.fill(0)
    this.isMany = false
    this.count = 0
  }
}
