/** Values as they stand in JSON, by their shapes. */
import type { Node, Nodes } from '../nodes.js'
import { EMPTY } from '../nodes.js'
import { Beyond } from './beyond.js'
import { canEnd, mayEnd, membersOf, noMembers, type MemberState, type Members, type MemberTools } from './members.js'
import type { Numbers } from './numbers.js'
import { ANY, NEVER, type ArrayShape, type Contains, type ObjectShape, type Shapes, type Sub, type Subs } from './shapes.js'
import type { Strings } from './strings.js'

/** Combinations of counts of what arrays contain that are told apart. */
const MOST_COUNTED = 4
const MOST_COUNT = 1_000

export interface TextOptions {
  readonly subs: Subs
  readonly shapesOf: (sub: Sub) => Shapes
  readonly isEmpty: (sub: Sub) => boolean
  /** Whether what `isEmpty` says is final: it is not being asked. */
  readonly isSettled: () => boolean
  readonly strings: Strings
  readonly numbers: Numbers
  /** What may stand between tokens. */
  readonly space: Node
  /** Whether members come in the order of the schema, those that it does not name last. */
  readonly isOrdered: boolean
  /** Leaves out what cannot be told apart. */
  readonly isLenient: boolean
}

/** Where an array stands that is being written. */
interface ItemState {
  readonly at: number
  readonly counts: readonly number[]
}

export class Texts {
  private readonly values = new Map<Sub, Node>()
  private readonly members = new Map<ObjectShape, Members>()
  private readonly objectIds = new Map<ObjectShape, number>()
  private readonly arrays = new Map<ArrayShape, ArrayShape>()
  /** What cannot be told apart of shapes, and was left out where that was asked for. */
  readonly leftOut = new Map<ObjectShape | ArrayShape, Beyond>()
  private readonly arrayIds = new Map<ArrayShape, number>()
  /** Several schemas may be parts of one grammar. */
  private readonly scope: number

  constructor(
    private readonly nodes: Nodes,
    private readonly options: TextOptions,
  ) {
    this.scope = nodes.scope()
  }

  /** A value of which something is true. */
  value(sub: Sub): Node {
    let made = this.values.get(sub)
    if (made === undefined) {
      made = this.nodes.lazy(`${this.scope} value ${sub}`, () => this.ofShapes(this.options.shapesOf(sub)))
      this.values.set(sub, made)
    }
    return made
  }

  private ofShapes(shapes: Shapes): Node {
    const { nodes } = this
    const { strings, numbers } = this.options
    const words = (['null', 'true', 'false'] as const).filter((word) => shapes[word]).map((word) => nodes.literal(word))
    const texts = shapes.strings.filter((shape) => !strings.isEmpty(shape)).map((shape) => this.quoted(strings.node(shape)))
    const decimals = shapes.numbers.filter((shape) => !numbers.isEmpty(shape)).map((shape) => numbers.node(shape))
    const arrays = shapes.arrays.filter((shape) => !this.isEmptyArray(shape)).map((shape) => this.array(this.held(shape)))
    const objects = shapes.objects.filter((shape) => !this.isEmptyObject(shape)).map((shape) => this.object(shape))
    return nodes.choice(...words, ...texts, ...decimals, ...arrays, ...objects)
  }

  private quoted(text: Node): Node {
    const quote = this.nodes.literal('"')
    return this.nodes.sequence(quote, text, quote)
  }

  /** @throws Beyond where a shape says more than can be told apart */
  isEmptyObject(shape: ObjectShape): boolean {
    return !canEnd(this.membersOf(shape), noMembers, () => true)
  }

  /** @throws Beyond as {@link Texts.isEmptyObject} does */
  membersOf(shape: ObjectShape): Members {
    const { subs, strings, isEmpty } = this.options
    const tools: MemberTools = {
      subs,
      isEmpty,
      isOfShape: (names, name) => strings.isOfShape(names, name),
      isEmptyName: (names) => strings.isEmpty(names),
    }
    let made = this.members.get(shape)
    if (made === undefined) {
      try {
        made = membersOf(shape, tools)
      } catch (error) {
        if (!(error instanceof Beyond && this.options.isLenient)) throw error
        this.leftOut.set(shape, error)
        made = membersOf(withoutForms(shape), tools)
      }
      // Where it is still asked whether values exist, what looks as if there were none may have some.
      if (this.options.isSettled()) this.members.set(shape, made)
    }
    return made
  }

  /** What has to be true of the values inside of values of some shapes. */
  inside(shapes: Shapes): Sub[] {
    const subs: Sub[] = []
    for (const shape of shapes.objects) {
      const { named, others } = this.membersOf(shape)
      for (const { ways } of [...named, ...others]) for (const { sub } of ways) subs.push(sub)
    }
    for (const shape of shapes.arrays.map((one) => this.held(one))) {
      if (this.hasNoItems(shape)) continue
      const most = this.most(shape)
      for (let at = 0; at <= Math.min(this.different(shape), most - 1); at++) {
        subs.push(this.item(shape, at))
        if (shape.contains.length > 0)
          for (const { sub } of this.countings(shape, { at, counts: shape.contains.map(() => 0) })) subs.push(sub)
      }
    }
    return subs
  }

  private object(shape: ObjectShape): Node {
    const { nodes } = this
    let id = this.objectIds.get(shape)
    if (id === undefined) this.objectIds.set(shape, (id = this.objectIds.size))
    return nodes.sequence(nodes.literal('{'), this.options.space, this.rest(id, this.membersOf(shape), noMembers, 0))
  }

  /** The rest of an object, to its brace. `from` is the first named member that may come, where they have an order. */
  private rest(id: number, members: Members, state: MemberState, from: number): Node {
    const { nodes } = this
    const { isOrdered, space } = this.options
    const { done, others, fulfilled } = state
    // In order, all that are required came before those that may come now, and of the others it is their number that may matter.
    const isCounted = members.min > 0 || members.max < Infinity
    const before = isOrdered ? `${from} ${isCounted ? done.size : done.size > 0}` : [...done].sort((a, b) => a - b).join()
    return nodes.lazy(`${this.scope} object ${id} ${before} ${others} ${fulfilled}`, () => {
      const ways: Node[] = []
      if (mayEnd(members, state)) ways.push(nodes.literal('}'))
      const begin = done.size + others > 0 ? nodes.sequence(nodes.literal(','), space) : EMPTY
      const colon = nodes.sequence(space, nodes.literal(':'), space)
      /** What comes behind a name; undefined where no end is reached from there. */
      const behind = (sub: Sub, next: MemberState, at: number): Node | undefined => {
        if (!members.isSimple && !canEnd(members, next, (i) => !isOrdered || i >= at)) return undefined
        return nodes.sequence(colon, this.value(sub), space, this.rest(id, members, next, at))
      }
      // In order, none comes behind one that is required and has not come.
      const [first, missing] = isOrdered ? [from, members.required.find((i) => i >= from && !done.has(i))] : [0, undefined]
      const last = missing ?? Infinity
      const named: (readonly [Uint8Array, Node])[] = []
      for (const i of members.sorted) {
        if (i < first || i > last || done.has(i)) continue
        const { written, ways: own } = members.named[i]!
        for (const { sub, fulfils } of own) {
          const then = behind(sub, { done: new Set(done).add(i), others, fulfilled: fulfilled | fulfils }, i + 1)
          if (then !== undefined) named.push([written, then])
        }
      }
      ways.push(nodes.sequence(begin, nodes.continued(named, true)))
      // As many as matter: where there is no most, one is as good as several.
      const more = members.max === Infinity ? 1 : others + 1
      for (const { names, ways: own } of missing === undefined ? members.others : [])
        for (const { sub, fulfils } of own) {
          const then = behind(sub, { done, others: more, fulfilled: fulfilled | fulfils }, members.named.length)
          if (then !== undefined) ways.push(nodes.sequence(begin, this.quoted(this.options.strings.node(names)), then))
        }
      return nodes.choice(...ways)
    })
  }

  /** Items at a place, of all layers. */
  private item({ layers }: ArrayShape, at: number): Sub {
    return this.options.subs.all(layers.map(({ first, rest }) => first[at] ?? rest))
  }

  /** Places after which every item is like the others. */
  private different({ layers, contains }: ArrayShape): number {
    return Math.max(0, ...layers.map(({ first }) => first.length), ...contains.map(({ from }) => from))
  }

  /** The most items there can be: up to the first place at which there is none. */
  private most(shape: ArrayShape): number {
    const places = this.different(shape)
    for (let at = 0; at <= places && at < shape.max; at++) if (this.options.isEmpty(this.item(shape, at))) return at
    return shape.max
  }

  /** @throws Beyond for what cannot be told apart */
  isEmptyArray(shape: ArrayShape): boolean {
    return this.hasNoItems(this.held(shape))
  }

  /** An array as far as it is held to: where that was asked for, without what cannot be told apart. */
  private held(shape: ArrayShape): ArrayShape {
    if (!this.options.isLenient) return shape
    let held = this.arrays.get(shape)
    if (held === undefined) {
      held = shape
      try {
        this.hasNoItems(shape)
      } catch (error) {
        if (!(error instanceof Beyond)) throw error
        this.leftOut.set(shape, error)
        held = { ...shape, contains: [], isUnique: false }
      }
      this.arrays.set(shape, held)
    }
    return held
  }

  private hasNoItems(shape: ArrayShape): boolean {
    if (shape.min > this.most(shape)) return true
    if (shape.isUnique && this.most(shape) > 1) {
      const values = this.finiteItems(shape)
      if (values === undefined)
        throw new Beyond(
          'uniqueItems',
          'asks for items that are all different, which can only be held to where they are one of a few values, or one item at most',
        )
      return values.length < shape.min
    }
    if (shape.contains.length === 0) return false
    if (shape.contains.length > MOST_COUNTED) throw new Beyond('contains', `counts more than ${MOST_COUNTED} kinds of items`)
    for (const { min, max } of shape.contains)
      if (Math.max(min, max === Infinity ? 0 : max) > MOST_COUNT) throw new Beyond('contains', `counts items beyond ${MOST_COUNT}`)
    return !this.canFinish(shape, this.most(shape), { at: 0, counts: shape.contains.map(() => 0) }, new Map())
  }

  private array(shape: ArrayShape): Node {
    const { nodes } = this
    const { space } = this.options
    const [open, close] = [nodes.sequence(nodes.literal('['), space), nodes.literal(']')]
    const most = this.most(shape)
    if (shape.isUnique && most > 1) return nodes.sequence(open, this.unique(shape, this.finiteItems(shape)!, []))
    let id = this.arrayIds.get(shape)
    if (id === undefined) this.arrayIds.set(shape, (id = this.arrayIds.size))
    if (shape.contains.length > 0) {
      const state: ItemState = { at: 0, counts: shape.contains.map(() => 0) }
      return nodes.sequence(open, this.counted(id, shape, most, state))
    }
    const comma = nodes.sequence(nodes.literal(','), space)
    const item = (at: number): Node => nodes.sequence(this.value(this.item(shape, at)), space)
    const places = this.different(shape)
    const from = (at: number): Node => {
      if (at >= most) return close
      if (at < places) {
        const more = nodes.sequence(
          at > 0 ? comma : EMPTY,
          item(at),
          nodes.lazy(`${this.scope} array ${id} ${at + 1}`, () => from(at + 1)),
        )
        return at >= shape.min ? nodes.choice(close, more) : more
      }
      if (at > 0) return nodes.sequence(nodes.repeat(nodes.sequence(comma, item(at)), Math.max(0, shape.min - at), shape.max - at), close)
      const more = nodes.repeat(nodes.sequence(comma, item(0)), Math.max(0, shape.min - 1), shape.max - 1)
      const all = nodes.sequence(item(0), more, close)
      return shape.min === 0 ? nodes.choice(close, all) : all
    }
    return nodes.sequence(open, from(0))
  }

  /** How an item may count: which of those that are counted it is. */
  private countings(shape: ArrayShape, { at, counts }: ItemState): { readonly sub: Sub; readonly next: ItemState }[] {
    const { subs, isEmpty } = this.options
    const item = this.item(shape, at)
    const { contains } = shape
    const places = this.different(shape)
    const ways: { sub: Sub; next: ItemState }[] = []
    for (let set = 0; set < 1 << contains.length; set++) {
      const is = (k: number): boolean => ((set >> k) & 1) === 1
      if (contains.some(({ from }, k) => is(k) && at < from)) continue
      // Where there is a most, what is not counted must not be of the kind; else it does not matter whether it is.
      const parts = contains.flatMap(({ sub, max, from }, k) => (is(k) ? [sub] : max < Infinity && at >= from ? [subs.not(sub)] : []))
      const sub = subs.all([item, ...parts])
      if (sub === NEVER || isEmpty(sub)) continue
      const next = counts.map((count, k) => (is(k) ? clampCount(count + 1, contains[k]!) : count))
      if (next.some((count, k) => count > contains[k]!.max)) continue
      const past = shape.max === Infinity ? Math.min(at + 1, Math.max(places, shape.min)) : at + 1
      ways.push({ sub, next: { at: past, counts: next } })
    }
    return ways
  }

  private canFinish(shape: ArrayShape, most: number, state: ItemState, known: Map<string, boolean>): boolean {
    const key = `${state.at} ${state.counts.join()}`
    const found = known.get(key)
    if (found !== undefined) return found
    // Where it comes back to itself nothing is won.
    known.set(key, false)
    if (known.size > 20_000) throw new Beyond('contains', 'counts more combinations of items than can be told apart')
    const isEnd = state.at >= shape.min && shape.contains.every(({ min }, k) => state.counts[k]! >= min)
    const result =
      isEnd ||
      (state.at < most &&
        this.countings(shape, state)
          .reverse()
          .some(({ next }) => this.canFinish(shape, most, next, known)))
    known.set(key, result)
    return result
  }

  private counted(id: number, shape: ArrayShape, most: number, state: ItemState, isFirst = true): Node {
    const { nodes } = this
    const { space } = this.options
    return nodes.lazy(`${this.scope} array ${id} ${state.at} ${state.counts.join()} ${isFirst}`, () => {
      const ways: Node[] = []
      const known = new Map<string, boolean>()
      if (state.at >= shape.min && shape.contains.every(({ min }, k) => state.counts[k]! >= min)) ways.push(nodes.literal(']'))
      const comma = isFirst ? EMPTY : nodes.sequence(nodes.literal(','), space)
      if (state.at < most)
        for (const { sub, next } of this.countings(shape, state))
          if (this.canFinish(shape, most, next, known))
            ways.push(nodes.sequence(comma, this.value(sub), space, this.counted(id, shape, most, next, false)))
      return nodes.choice(...ways)
    })
  }

  /** The values that items may be, where they are few and alike at all places. */
  private finiteItems(shape: ArrayShape): Sub[] | undefined {
    if (this.different(shape) > 0 || shape.contains.length > 0) return undefined
    const sub = this.item(shape, 0)
    if (sub === ANY) return undefined
    const shapes = this.options.shapesOf(sub)
    const { subs, strings, numbers } = this.options
    if (shapes.arrays.length + shapes.objects.length > 0) return undefined
    const values: Sub[] = (['null', 'true', 'false'] as const)
      .filter((word) => shapes[word])
      .map((word) => subs.value(JSON.parse(word) as null | boolean))
    for (const one of shapes.strings) {
      if (one.values === undefined) return undefined
      values.push(...one.values.filter((value) => strings.isOfShape(one, value)).map((value) => subs.value(value)))
    }
    for (const one of shapes.numbers) {
      if (one.values === undefined) return undefined
      values.push(...one.values.filter((value) => numbers.isOfShape(value, one)).map((value) => subs.value(value)))
    }
    return [...new Set(values)]
  }

  private unique(shape: ArrayShape, values: readonly Sub[], used: readonly Sub[]): Node {
    const { nodes } = this
    const { space } = this.options
    return nodes.lazy(`${this.scope} unique ${values.join()} ${shape.min} ${shape.max} ${used.join()}`, () => {
      const ways: Node[] = used.length >= shape.min ? [nodes.literal(']')] : []
      const comma = used.length === 0 ? EMPTY : nodes.sequence(nodes.literal(','), space)
      if (used.length < shape.max)
        for (const value of values)
          if (!used.includes(value)) {
            const next = [...used, value].sort((a, b) => a - b)
            ways.push(nodes.sequence(comma, this.value(value), space, this.unique(shape, values, next)))
          }
      return nodes.choice(...ways)
    })
  }
}

/** Beyond what is needed, and where there is no most, more are as many. */
const clampCount = (count: number, { min, max }: Contains): number => (max === Infinity ? Math.min(count, min) : count)

/** An object without what is said of names by their forms. */
const withoutForms = (shape: ObjectShape): ObjectShape => ({
  ...shape,
  layers: shape.layers.map((layer) => (layer.formed.length === 0 ? layer : { ...layer, formed: [], rest: ANY })),
  wanted: [],
})
