/**
 * Reads text by an expression, byte by byte. Where the text stands is a configuration: the bytes that may come next, each with what is to follow it. Configurations are made as text comes to them, and kept, so that
 * a step that was made before is a look into a table. Where an expression calls rules within rules, what is to follow is a list that grows, shared by all who continue it.
 */
import { SamplingError } from '../errors.js'
import { ByteClasses, classesOf } from './byte-classes.js'
import type { ByteSet } from './bytes.js'
import { Closure } from './closure.js'
import { Heads, NO_BYTES, NO_PRODUCT } from './heads.js'
import { orderRules } from './left-recursion.js'
import { Loops, type Loop } from './loops.js'
import { EMPTY, type Node, type NodeData, type Nodes } from './nodes.js'
import { Properties } from './properties.js'
import { CUT, END, Rests, type Rest } from './rests.js'

/** The number of a configuration. */
export type Config = number
/** No text leads on from here, and none ends here. */
export const DEAD: Config = 0
const UNKNOWN = -1

interface ConfigData {
  /** What follows was cut off, and a text came to where it begins: what comes then is not known. */
  readonly isOpen: boolean
  /** See {@link Machine.roomOf}; −1 until asked. */
  room: number
  loops: readonly Loop[] | undefined
  readonly heads: readonly number[]
  /** Text may end here. */
  readonly accepting: boolean
  /** Where bytes lead, by their classes if there are any. */
  next: number[] | undefined
  classes: Uint8Array | undefined
  /** Where only one byte leads on: that one. */
  readonly only: number
  onlyNext: Config
}

/** Expressions that are matched at the same time, as configurations. */
interface Product {
  readonly all: readonly Config[]
  readonly not: readonly Config[]
  readonly accepting: boolean
  readonly next: Map<number, number>
  /** Whether some text leads to an end; undefined until asked. */
  alive: boolean | undefined
}

export interface MachineOptions {
  /** An expression of one character. Of configurations that go on with a repetition of it is known how many may come. */
  readonly character?: Node
  /** The bytes that such a character may begin with, if it stands for itself. */
  readonly isText?: ByteSet
  /** States of expressions that are matched at the same time. Default 200,000. */
  readonly products?: number
  /** Ways on that are looked at for one mask. Default 2²¹: some seconds of work, where a mask of a usual grammar takes less than a thousandth of it. */
  readonly work?: number
}

export class Machine {
  private readonly rests: Rests
  private readonly heads: Heads
  private readonly loops: Loops
  private readonly configs: ConfigData[] = []
  private readonly configIds = new Map<string | number, Config>()
  private readonly products: Product[] = []
  private readonly productIds = new Map<string, number>()
  private characterHeads: number | undefined
  private readonly classes: ByteClasses
  private readonly properties: Properties
  /** By rule: above those of the rules that it begins with. */
  private order = new Int32Array(0)
  /** Ways on that may still be looked at, see {@link Machine.within}. */
  private left = Infinity
  readonly start: Config
  private readonly root: Node

  /** @throws SamplingError `GRAMMAR` when no text matches the expression, or a rule is used and not defined */
  constructor(
    readonly nodes: Nodes,
    /** Where the expression asks what others match before it is there, a function that makes it. */
    root: Node | ((machine: Machine) => Node),
    private readonly options: MachineOptions = {},
  ) {
    this.rests = new Rests(nodes)
    this.heads = new Heads(nodes)
    this.loops = new Loops(nodes, this.rests, this.heads, options.character)
    this.classes = new ByteClasses(nodes)
    this.intern([], false)
    this.properties = new Properties(nodes, (all, not) => {
      const product = this.productOf(all, not)
      if (product === NO_PRODUCT || !this.isAlive(product)) return undefined
      return { acceptsEmpty: this.products[product]!.accepting }
    })
    if (typeof root === 'function') root = root(this)
    this.properties.checkRules()
    this.order = orderRules(nodes, this.properties)
    if (!this.properties.isProductive(root))
      throw new SamplingError(
        'GRAMMAR',
        'No text matches the grammar: each way through it asks for something impossible or for itself again',
      )
    this.start = this.configOf(root)
    this.root = root
  }

  /** A machine of the same expression that knows no more than where it begins. */
  renewed(): Machine {
    return new Machine(this.nodes, this.root, this.options)
  }

  /** Whether some text matches an expression. */
  isProductive(node: Node): boolean {
    return this.properties.isProductive(node)
  }

  /** Where an expression begins. */
  configOf(node: Node): Config {
    const closure = new Closure()
    closure.add(this.rests.push(node, END), 0)
    this.close(closure)
    return this.intern(closure.heads, closure.accepting, closure.isOpen)
  }

  /** Does something that steps, but no more than is reasonable. Throws `GRAMMAR` beyond. */
  within<T>(steps: () => T): T {
    this.left = this.options.work ?? 2 ** 21
    try {
      return steps()
    } finally {
      this.left = Infinity
    }
  }

  accepts(config: Config): boolean {
    return this.configs[config]!.accepting
  }

  /** Where a byte leads; {@link DEAD} where it must not come. */
  step(config: Config, byte: number): Config {
    const data = this.configs[config]!
    if (data.only >= 0) {
      if (data.only !== byte) return DEAD
      return data.onlyNext !== UNKNOWN ? data.onlyNext : (data.onlyNext = this.follow(data, byte))
    }
    const next = (data.next ??= this.tableOf(data))
    const at = data.classes === undefined ? byte : data.classes[byte]!
    const found = next[at]!
    return found !== UNKNOWN ? found : (next[at] = this.follow(data, byte))
  }

  /** Where bytes lead, by classes of those that are alike for all heads where that can be told. */
  private tableOf(data: ConfigData): number[] {
    const sets = new Set<Node>()
    for (const id of data.heads) sets.add(this.heads.get(id).bytes)
    if (sets.has(NO_BYTES)) return new Array<number>(256).fill(UNKNOWN)
    const classes = this.classes.of([...sets].sort((a, b) => a - b))
    data.classes = classes.table
    return new Array<number>(classes.count).fill(UNKNOWN)
  }

  /** The only byte that may come; −1 where several may, or none. */
  only(config: Config): number {
    return this.configs[config]!.only
  }

  /** The byte that has to come; −1 where several may, or none, or text may end. */
  forced(config: Config): number {
    const { accepting, only } = this.configs[config]!
    return accepting ? -1 : only
  }

  /** Whether a text led out of what is known of a configuration that was cut off ({@link Machine.cut}). */
  isOpen(config: Config): boolean {
    return this.configs[config]!.isOpen
  }

  /**
   * How many more of the characters that are told apart may come, where all text goes on with these or ends with what is none of them (`MachineOptions.isText` are the bytes that such a character may begin
   * with): 0 where it may go on otherwise.
   */
  roomOf(config: Config): number {
    const data = this.configs[config]!
    if (data.room < 0) data.room = this.findRoom(data)
    return data.room
  }

  /**
   * What may come over and over here, whatever else may: bytes or characters, each up to so many times.
   */
  loopsOf(config: Config): readonly Loop[] {
    const data = this.configs[config]!
    return (data.loops ??= this.loops.of(data.heads))
  }

  /** Whether all of the characters that are told apart may come, if any of them may. */
  isWhole(config: Config): boolean {
    const { character } = this.options
    if (character === undefined) return false
    this.characterHeads ??= this.configs[this.configOf(this.nodes.repeat(character, 1, 2))]!.heads.length
    const begin = new Set<Node>()
    for (const id of this.configs[config]!.heads) if (this.heads.get(id).room > 0) begin.add(this.heads.get(id).bytes)
    return begin.size === this.characterHeads
  }

  private findRoom({ heads }: ConfigData): number {
    const { isText } = this.options
    if (isText === undefined) return 0
    let room = 0
    for (const id of heads) {
      const head = this.heads.get(id)
      if (head.set === undefined) return 0
      if (head.room > 0) room = Math.max(room, head.room)
      else if (head.set.meets(isText)) return 0
    }
    return room
  }

  /**
   * The configurations whose texts together are those of this one, for texts of up to `far` bytes that lead through no more than `levels` of what is to follow: counts that they cannot reach the end of are
   * the same, and what is beyond is cut off. One for each way to go on, where a character that may come over and over is one way, or a single one where text stands for itself.
   */
  cut(config: Config, far: number, levels: number): Config[] {
    const { heads } = this.configs[config]!
    const cut = (id: number): number => {
      const { bytes, product, rest, room } = this.heads.get(id)
      return this.heads.id(bytes, product, this.rests.cut(rest, far, levels), room > far ? Infinity : room)
    }
    if (this.roomOf(config) > 0) return [this.intern(new Set(heads.map(cut)), false)]
    const groups: (readonly number[])[] = []
    const grouped = new Set<number>()
    for (const whole of this.loops.wholes(heads)) {
      if (whole.heads.some((id) => grouped.has(id))) continue
      for (const id of whole.heads) grouped.add(id)
      groups.push(whole.heads)
    }
    for (const id of heads) if (!grouped.has(id)) groups.push([id])
    return [...new Set(groups.map((ids) => this.intern(new Set(ids.map(cut)), false)))]
  }

  /** The same configuration for texts of up to `far` bytes, whatever is left of a count that they cannot reach the end of: it stays the same while that is counted. */
  blur(config: Config, far: number): Config {
    const { heads, accepting, isOpen } = this.configs[config]!
    const blurred = heads.map((id) => {
      const { bytes, product, rest, room } = this.heads.get(id)
      return this.heads.id(bytes, product, this.rests.blur(rest, far), room > far ? Infinity : room)
    })
    return blurred.every((id, i) => id === heads[i]) ? config : this.intern(new Set(blurred), accepting, isOpen)
  }

  /** What a configuration that was cut off means in any machine, by numbers of expressions that all share (0 for those of this one alone); undefined where it means something in this one alone. */
  describe(config: Config, idOf: (node: Node) => number): string | undefined {
    const heads: string[] = [`${idOf(this.options.character ?? EMPTY)}`]
    for (const id of this.configs[config]!.heads) {
      const { bytes, rest, room } = this.heads.get(id)
      if (bytes < 0) return undefined
      let text = `${idOf(bytes)}:${room}`
      for (let one = rest; one !== END; one = this.rests.nextOf(one)) {
        if (one === CUT) {
          text += '…'
          break
        }
        const own = this.rests.waysOf(one) === undefined ? idOf(this.rests.nodeOf(one)) : 0
        if (own === 0) return undefined
        text += ` ${own}`
      }
      heads.push(text)
    }
    return heads.sort().join(';')
  }

  /** How many configurations there are. */
  get size(): number {
    return this.configs.length
  }

  private follow({ heads }: ConfigData, byte: number): Config {
    const closure = new Closure()
    for (const id of heads) {
      const { set, product, rest } = this.heads.get(id)
      if (set !== undefined) {
        if (set.has(byte)) closure.add(rest, 0)
      } else this.lookAtProduct(this.stepProduct(product, byte), rest, closure)
    }
    this.close(closure)
    this.left -= heads.length + closure.seen.size
    if (this.left < 0 || this.rests.isFull)
      throw new SamplingError(
        'GRAMMAR',
        `Here the text can go on in too many ways: ${closure.heads.size} at once. Make the grammar less ambiguous, with fewer alternatives that begin alike; of a JSON Schema, keyOrder 'schema' leaves fewest`,
      )
    return this.intern(closure.heads, closure.accepting, closure.isOpen)
  }

  /**
   * Finds the bytes that may come where any of what was put into the closure is to follow. Rules come last, those that begin with others before these: when one is looked into, all that may follow it here is known,
   * and it is looked into once. Else what follows would be told apart by each way that led to it, of which there are soon too many.
   */
  private close(closure: Closure): void {
    for (;;) {
      for (let rest = closure.todo.pop(); rest !== undefined; rest = closure.todo.pop()) this.look(rest, closure.rooms.pop()!, closure)
      if (closure.deferred !== undefined) {
        const { deferred } = closure
        closure.deferred = undefined
        for (const [node, behind] of deferred) {
          const data = this.nodes.data[node] as Extract<NodeData, { kind: 'lazy' }>
          closure.add(this.rests.push(data.expand(), this.rests.anyOf(behind)), 0)
        }
        continue
      }
      const rule = closure.rules?.pop()
      if (rule === undefined) return
      const behind = this.rests.anyOf(closure.behind!.get(rule)!)
      closure.behind!.delete(rule)
      closure.add(this.rests.push(this.nodes.rules[rule]!.body!, behind), 0)
    }
  }

  private look(rest: Rest, room: number, closure: Closure): void {
    if (rest === CUT) {
      closure.isOpen = true
      return
    }
    if (rest === END) {
      closure.accepting = true
      return
    }
    if (closure.seen.has(rest)) return
    closure.seen.add(rest)
    const ways = this.rests.waysOf(rest)
    if (ways !== undefined) return ways.forEach((way) => closure.add(way, room))
    const [node, next] = [this.rests.nodeOf(rest), this.rests.nextOf(rest)]
    const data = this.nodes.data[node]!
    switch (data.kind) {
      case 'nothing':
        return
      case 'empty':
        return closure.add(next, room)
      case 'bytes':
        return void closure.heads.add(this.heads.id(node, NO_PRODUCT, next, room))
      case 'sequence':
        return closure.add(this.rests.push(data.first, this.rests.push(data.second, next)), room)
      case 'choice':
        for (const one of data.nodes) if (this.properties.isProductive(one)) closure.add(this.rests.push(one, next), room)
        return
      case 'repeat': {
        const { item, max } = data
        const isNullable = this.properties.isNullable(item)
        const min = isNullable ? 0 : data.min
        if (isNullable) {
          // A turn without text would go round as often as the repetition may.
          const key = `${item},${next}`
          closure.turns ??= new Map()
          if ((closure.turns.get(key) ?? 0) >= max) return
          closure.turns.set(key, max)
        }
        if (this.properties.isProductive(item)) {
          const left = this.nodes.repeat(item, Math.max(0, min - 1), max - 1)
          closure.add(this.rests.push(item, this.rests.push(left, next)), item === this.options.character ? max : room)
        }
        if (min === 0) closure.add(next, room)
        return
      }
      case 'rule':
        // Where the rule may be empty, what follows is known before any rule is looked into.
        if (this.properties.isNullable(node)) closure.add(next, room)
        return closure.enter(data.rule, next, this.order)
      case 'lazy':
        return closure.defer(node, next)
      case 'both':
        return this.lookAtProduct(this.productOf(data.nodes, data.not), next, closure)
      default:
        data satisfies never
    }
  }

  private intern(heads: Set<number> | readonly number[], accepting: boolean, isOpen = false): Config {
    const list = [...heads]
    const flags = (isOpen ? 2 : 0) + (accepting ? 1 : 0)
    // One head is what there is most often.
    const key = list.length === 1 ? list[0]! * 4 + flags : `${flags},${list.sort((a, b) => a - b).join()}`
    let config = this.configIds.get(key)
    if (config === undefined) {
      config =
        this.configs.push({
          heads: list,
          accepting,
          isOpen,
          room: -1,
          loops: undefined,
          next: undefined,
          classes: undefined,
          only: this.heads.onlyByte(list),
          onlyNext: UNKNOWN,
        }) - 1
      this.configIds.set(key, config)
    }
    return config
  }

  private productOf(all: readonly Node[], not: readonly Node[]): number {
    return this.internProduct(
      all.map((node) => this.configOf(node)),
      not.map((node) => this.configOf(node)),
    )
  }

  private internProduct(all: readonly Config[], not: readonly Config[]): number {
    // What can match no more forbids nothing, and what cannot match any more matches nothing.
    if (all.includes(DEAD)) return NO_PRODUCT
    const [some, none] = [all, not].map((list) => [...new Set(list)].filter((config) => config !== DEAD).sort((a, b) => a - b)) as [
      Config[],
      Config[],
    ]
    const key = `${some.join()}!${none.join()}`
    let id = this.productIds.get(key)
    if (id === undefined) {
      const accepting = some.every((config) => this.accepts(config)) && !none.some((config) => this.accepts(config))
      id = this.products.push({ all: some, not: none, accepting, next: new Map(), alive: accepting ? true : undefined }) - 1
      this.productIds.set(key, id)
      if (this.products.length > (this.options.products ?? 200_000))
        throw new SamplingError(
          'GRAMMAR',
          `Expressions that are to match at the same time have more than ${this.products.length - 1} states together; simplify a pattern or its length`,
        )
    }
    return id
  }

  private stepProduct(id: number, byte: number): number {
    const product = this.products[id]!
    const found = product.next.get(byte)
    if (found !== undefined) return found
    const next = this.internProduct(
      product.all.map((config) => this.step(config, byte)),
      product.not.map((config) => this.step(config, byte)),
    )
    product.next.set(byte, next)
    return next
  }

  private lookAtProduct(id: number, rest: Rest, closure: Closure): void {
    if (id === NO_PRODUCT || !this.isAlive(id)) return
    const { all, not, accepting } = this.products[id]!
    if (all.length === 1 && not.length === 0)
      // What is left of it is one expression alone, of which more can be seen.
      for (const one of this.configs[all[0]!]!.heads) {
        const { bytes, product, rest: inside, room } = this.heads.get(one)
        closure.heads.add(this.heads.id(bytes, product, this.rests.append(inside, rest), room))
      }
    else closure.heads.add(this.heads.id(NO_BYTES, id, rest, 0))
    if (accepting) closure.add(rest, 0)
  }

  /** Whether some text leads from a product to where all of it agrees: what is matched at the same time may contradict itself later on. */
  private isAlive(id: number): boolean {
    const known = this.products[id]!.alive
    if (known !== undefined) return known
    const from = new Map<number, number>([[id, NO_PRODUCT]])
    const queue = [id]
    for (let at = 0; at < queue.length; at++) {
      const one = queue[at]!
      if (this.products[one]!.alive === true) {
        for (let step = one; step !== NO_PRODUCT; step = from.get(step)!) this.products[step]!.alive = true
        return true
      }
      const { all, not } = this.products[one]!
      for (const byte of this.representatives([...all, ...not])) {
        const next = this.stepProduct(one, byte)
        if (next === NO_PRODUCT || from.has(next) || this.products[next]!.alive === false) continue
        from.set(next, one)
        queue.push(next)
      }
    }
    for (const one of queue) this.products[one]!.alive = false
    return false
  }

  /** Bytes of which one is like any other for these configurations. */
  private representatives(configs: readonly Config[]): number[] {
    const sets = new Set<ByteSet>()
    const collect = (config: Config): void => {
      for (const id of this.configs[config]!.heads) {
        const { set, product } = this.heads.get(id)
        if (set !== undefined) sets.add(set)
        else [...this.products[product]!.all, ...this.products[product]!.not].forEach(collect)
      }
    }
    configs.forEach(collect)
    const { table, count } = classesOf([...sets])
    return Array.from({ length: count }, (_, one) => table.indexOf(one))
  }
}
