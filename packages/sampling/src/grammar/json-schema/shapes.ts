/**
 * What a schema says, sorted by the types of values: for each of them, the ways a value may be. Between ways stands "or", within one "and"; what is inside of arrays and objects is named by
 * the number of what has to be true of it (`Subs`), and looked at when it is needed.
 */
import type { JsonValue, Located } from './document.js'

/** The number of something that has to be true of a value. */
export type Sub = number

export type SubData =
  | { readonly kind: 'any' }
  | { readonly kind: 'never' }
  /** A schema, as seen by way of resources from the outermost on. */
  | { readonly kind: 'schema'; readonly located: Located; readonly scope: readonly string[] }
  | { readonly kind: 'value'; readonly value: JsonValue }
  | { readonly kind: 'all' | 'some'; readonly subs: readonly Sub[] }
  | { readonly kind: 'not'; readonly sub: Sub }

export const ANY: Sub = 0
export const NEVER: Sub = 1

/** Keeps each thing that has to be true once, in its simplest form. */
export class Subs {
  readonly data: SubData[] = [{ kind: 'any' }, { kind: 'never' }]
  private readonly known = new Map<string, Sub>()
  private readonly locations = new Map<unknown, number>()

  schema(located: Located, scope: readonly string[]): Sub {
    const { schema } = located
    if (typeof schema === 'boolean') return schema ? ANY : NEVER
    let at = this.locations.get(schema)
    if (at === undefined) this.locations.set(schema, (at = this.locations.size))
    return this.intern(`s${at} ${located.resource().uri} ${scope.join(' ')}`, { kind: 'schema', located, scope })
  }

  value(value: JsonValue): Sub {
    return this.intern(`v${JSON.stringify(value)}`, { kind: 'value', value })
  }

  all(subs: readonly Sub[]): Sub {
    return this.combine('all', subs, ANY, NEVER)
  }

  some(subs: readonly Sub[]): Sub {
    return this.combine('some', subs, NEVER, ANY)
  }

  not(sub: Sub): Sub {
    if (sub === ANY) return NEVER
    if (sub === NEVER) return ANY
    const data = this.data[sub]!
    return data.kind === 'not' ? data.sub : this.intern(`!${sub}`, { kind: 'not', sub })
  }

  private combine(kind: 'all' | 'some', subs: readonly Sub[], nothing: Sub, everything: Sub): Sub {
    const set = new Set<Sub>()
    for (const sub of subs) {
      const data = this.data[sub]!
      if (sub === everything) return everything
      if (data.kind === kind) for (const one of data.subs) set.add(one)
      else if (sub !== nothing) set.add(sub)
    }
    if (set.size < 2) return [...set][0] ?? nothing
    const list = [...set].sort((a, b) => a - b)
    return this.intern(`${kind}${list.join()}`, { kind, subs: list })
  }

  private intern(key: string, data: SubData): Sub {
    let sub = this.known.get(key)
    if (sub === undefined) {
      sub = this.data.push(data) - 1
      this.known.set(key, sub)
    }
    return sub
  }
}

export interface NumberShape {
  readonly min: number
  readonly max: number
  /** The bounds themselves are out. */
  readonly aboveMin: boolean
  readonly belowMax: boolean
  /** undefined: whole or not. */
  readonly isWhole: boolean | undefined
  readonly multiples: readonly number[]
  readonly notMultiples: readonly number[]
  /** One of these, if any are given. */
  readonly values: readonly number[] | undefined
  readonly notValues: readonly number[]
}

/** What is true of a text: `pattern:…` finds a match, `format:…` names what it is. */
export type TextRule = `pattern:${string}` | `format:${string}`

export interface StringShape {
  /** In characters. */
  readonly min: number
  readonly max: number
  readonly rules: readonly TextRule[]
  readonly notRules: readonly TextRule[]
  readonly values: readonly string[] | undefined
  readonly notValues: readonly string[]
}

/** Items at their places, and those behind. */
export interface ItemLayer {
  readonly first: readonly Sub[]
  readonly rest: Sub
}

export interface Contains {
  readonly sub: Sub
  readonly min: number
  readonly max: number
  /** Counted from this place on. */
  readonly from: number
}

export interface ArrayShape {
  readonly min: number
  readonly max: number
  readonly layers: readonly ItemLayer[]
  readonly contains: readonly Contains[]
  readonly isUnique: boolean
  /** The items that were looked at: so many from the beginning on, and those of which something is true. */
  readonly seen: { readonly count: number; readonly subs: readonly Sub[] }
}

/** What is true of the members of an object by their names: those named, those whose names are of some form (of all of them whose form it is), and the others. */
export interface MemberLayer {
  readonly named: ReadonlyMap<string, Sub>
  readonly formed: readonly { readonly names: StringShape; readonly sub: Sub }[]
  readonly rest: Sub
}

/** A member that has to be there. */
export interface Wanted {
  readonly names: StringShape
  readonly sub: Sub
}

export interface ObjectShape {
  readonly min: number
  readonly max: number
  readonly layers: readonly MemberLayer[]
  readonly required: readonly string[]
  readonly wanted: readonly Wanted[]
  /** The members that were looked at. */
  readonly seen: { readonly names: readonly string[]; readonly formed: readonly StringShape[]; readonly all: boolean }
}

export interface Shapes {
  readonly null: boolean
  readonly true: boolean
  readonly false: boolean
  readonly numbers: readonly NumberShape[]
  readonly strings: readonly StringShape[]
  readonly arrays: readonly ArrayShape[]
  readonly objects: readonly ObjectShape[]
}

export const anyNumber: NumberShape = {
  min: -Infinity,
  max: Infinity,
  aboveMin: false,
  belowMax: false,
  isWhole: undefined,
  multiples: [],
  notMultiples: [],
  values: undefined,
  notValues: [],
}
export const anyString: StringShape = { min: 0, max: Infinity, rules: [], notRules: [], values: undefined, notValues: [] }
export const anyArray: ArrayShape = { min: 0, max: Infinity, layers: [], contains: [], isUnique: false, seen: { count: 0, subs: [] } }
export const anyObject: ObjectShape = {
  min: 0,
  max: Infinity,
  layers: [],
  required: [],
  wanted: [],
  seen: { names: [], formed: [], all: false },
}

export const nothing: Shapes = { null: false, true: false, false: false, numbers: [], strings: [], arrays: [], objects: [] }
export const anything: Shapes = {
  null: true,
  true: true,
  false: true,
  numbers: [anyNumber],
  strings: [anyString],
  arrays: [anyArray],
  objects: [anyObject],
}

export function isNothing(shapes: Shapes): boolean {
  const { numbers, strings, arrays, objects } = shapes
  return !shapes.null && !shapes.true && !shapes.false && numbers.length + strings.length + arrays.length + objects.length === 0
}

/** Either the one or the other. */
export function either(a: Shapes, b: Shapes): Shapes {
  return {
    null: a.null || b.null,
    true: a.true || b.true,
    false: a.false || b.false,
    numbers: join(a.numbers, b.numbers),
    strings: join(a.strings, b.strings),
    arrays: join(a.arrays, b.arrays),
    objects: join(a.objects, b.objects),
  }
}

function join<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  if (a.length === 0) return b
  return b.length === 0 ? a : [...new Set([...a, ...b])]
}

export const union = <T>(a: readonly T[], b: readonly T[]): readonly T[] => join(a, b)

const sets = new WeakMap<readonly unknown[], ReadonlySet<unknown>>()

/** The set of a list that is asked for again and again: lists of values may be long. */
function setOf<T>(list: readonly T[]): ReadonlySet<T> {
  let set = sets.get(list)
  if (set === undefined) sets.set(list, (set = new Set(list)))
  return set as ReadonlySet<T>
}

function intersection<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): readonly T[] | undefined {
  if (a === undefined || b === undefined) return a ?? b
  const [few, many] = a.length <= b.length ? [a, setOf(b)] : [b, setOf(a)]
  return few.filter((one) => many.has(one))
}

/** A number of which both are true; undefined where none is. */
export function meetNumbers(a: NumberShape, b: NumberShape): NumberShape | undefined {
  if (a === anyNumber || a === b) return b
  if (b === anyNumber) return a
  if (a.isWhole !== undefined && b.isWhole !== undefined && a.isWhole !== b.isWhole) return undefined
  const [low, high] = [a.min > b.min ? a : b, a.max < b.max ? a : b]
  const both: NumberShape = {
    min: low.min,
    max: high.max,
    aboveMin: low.aboveMin || (a.min === b.min && a.aboveMin),
    belowMax: high.belowMax || (a.max === b.max && a.belowMax),
    isWhole: a.isWhole ?? b.isWhole,
    multiples: union(a.multiples, b.multiples),
    notMultiples: union(a.notMultiples, b.notMultiples),
    values: intersection(a.values, b.values),
    notValues: union(a.notValues, b.notValues),
  }
  return isPossibleNumber(both) ? both : undefined
}

/** False where no number can be of a shape, as far as is seen at once. */
export function isPossibleNumber({ min, max, aboveMin, belowMax, values }: NumberShape): boolean {
  return min <= max && !(min === max && (aboveMin || belowMax)) && values?.length !== 0
}

export function meetStrings(a: StringShape, b: StringShape): StringShape | undefined {
  if (a === anyString || a === b) return b
  if (b === anyString) return a
  const values = intersection(a.values, b.values)
  const notValues = union(a.notValues, b.notValues)
  const [min, max] = [Math.max(a.min, b.min), Math.min(a.max, b.max)]
  const isFree = notValues.length === 0 && min === 0 && max === Infinity
  const left = isFree ? values : values?.filter((value) => !notValues.includes(value) && isBetween([...value].length, min, max))
  if (min > max || left?.length === 0) return undefined
  return {
    min: values === undefined ? min : 0,
    max: values === undefined ? max : Infinity,
    rules: union(a.rules, b.rules),
    notRules: union(a.notRules, b.notRules),
    values: left,
    notValues: values === undefined ? notValues : [],
  }
}

const isBetween = (value: number, min: number, max: number): boolean => value >= min && value <= max

export function meetArrays(a: ArrayShape, b: ArrayShape): ArrayShape | undefined {
  if (a === anyArray || a === b) return b
  if (b === anyArray) return a
  const [min, max] = [Math.max(a.min, b.min), Math.min(a.max, b.max)]
  if (min > max) return undefined
  return {
    min,
    max,
    layers: union(a.layers, b.layers),
    contains: union(a.contains, b.contains),
    isUnique: a.isUnique || b.isUnique,
    seen: { count: Math.max(a.seen.count, b.seen.count), subs: union(a.seen.subs, b.seen.subs) },
  }
}

export function meetObjects(a: ObjectShape, b: ObjectShape): ObjectShape | undefined {
  if (a === anyObject || a === b) return b
  if (b === anyObject) return a
  const [min, max] = [Math.max(a.min, b.min), Math.min(a.max, b.max)]
  if (min > max) return undefined
  return {
    min,
    max,
    layers: union(a.layers, b.layers),
    required: union(a.required, b.required),
    wanted: union(a.wanted, b.wanted),
    seen: {
      names: union(a.seen.names, b.seen.names),
      formed: union(a.seen.formed, b.seen.formed),
      all: a.seen.all || b.seen.all,
    },
  }
}
