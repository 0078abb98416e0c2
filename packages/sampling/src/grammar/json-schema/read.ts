/** What schemas say, keyword by keyword, as shapes. What cannot be said is refused by the place where it stands. */
import { Beyond } from './beyond.js'
import { keywordShapes } from './keywords.js'
import { otherArrays, otherNumbers, otherObjects, otherStrings } from './complement.js'
import { dialects, isObject, isSchema, type JsonSchema, type JsonValue, type Located, type SchemaDocument } from './document.js'
import {
  ANY,
  anyArray,
  anyNumber,
  anyObject,
  anyString,
  anything,
  either,
  isNothing,
  meetArrays,
  meetNumbers,
  meetObjects,
  meetStrings,
  NEVER,
  nothing,
  Subs,
  type MemberLayer,
  type ObjectShape,
  type Shapes,
  type StringShape,
  type Sub,
  type TextRule,
} from './shapes.js'

/** Ways a value may be, of one type, that are looked at together; more are refused. */
const MOST_WAYS = 1_024
/** Comparisons of ways and values for one schema: it must not take minutes to say that it is too much. */
const MOST_WORK = 5_000_000
/** Of so many schemas in `anyOf` are those told apart that are true together, for what `unevaluated…` sees. */
const MOST_TOGETHER = 4

export interface SchemaRefusal {
  /** A JSON pointer to the keyword. */
  readonly pointer: string
  readonly reason: string
}

export interface ReaderOptions {
  readonly formats: 'assert' | 'annotate'
  /** Whether texts can be held to a format; undefined for those that say nothing. */
  readonly isFormat: (name: string) => boolean | undefined
  /** Why something cannot be held to. */
  readonly problemOf: (rule: TextRule) => string | undefined
  readonly problemOfMultiple: (multiple: number) => string | undefined
  readonly isOfShape: (names: StringShape, name: string) => boolean
}

/** A schema was come back to before any value was reached. */
export class Unfinished extends Error {}

export class Reader {
  readonly subs = new Subs()
  readonly refusals = new Map<string, SchemaRefusal>()
  private readonly known = new Map<Sub, Shapes>()
  private readonly open = new Set<Sub>()
  private trying = 0
  private work = 0

  constructor(
    readonly document: SchemaDocument,
    readonly options: ReaderOptions,
    private readonly isEmpty: (sub: Sub) => boolean,
  ) {}

  get root(): Sub {
    return this.subs.schema(this.document.root, [this.document.root.resource().uri])
  }

  refuse(located: Located, keyword: string, reason: string): void {
    const pointer = keyword === '' ? located.pointer : `${located.pointer}/${keyword}`
    if (!this.refusals.has(pointer)) this.refusals.set(pointer, { pointer, reason })
  }

  /** Refuses a keyword of what has to be true of a value, by the schema among those that say it which has the keyword. */
  refuseAt(sub: Sub, keyword: string, reason: string): void {
    const schemas: Located[] = []
    const seen = new Set<Sub>()
    const collect = (one: Sub): void => {
      if (seen.has(one)) return
      seen.add(one)
      const data = this.subs.data[one]!
      if (data.kind === 'not') collect(data.sub)
      else if (data.kind === 'all' || data.kind === 'some') data.subs.forEach(collect)
      else if (data.kind === 'schema') this.collectSchemas(data.located, schemas)
    }
    collect(sub)
    const own = schemas.find(({ schema }) => typeof schema === 'object' && Object.hasOwn(schema, keyword))
    this.refuse(own ?? schemas[0] ?? this.document.root, own === undefined ? '' : keyword, reason)
  }

  /** A schema and those that speak of the same value. */
  private collectSchemas(located: Located, into: Located[]): void {
    if (into.includes(located) || into.length > 100) return
    into.push(located)
    const { schema } = located
    if (typeof schema !== 'object') return
    if (typeof schema['$ref'] === 'string') {
      const target = this.document.refer(located, schema['$ref'])
      if (typeof target !== 'string') this.collectSchemas(target, into)
    }
    for (const keyword of ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'not']) {
      const given = schema[keyword]
      const list = Array.isArray(given) ? given : [given]
      list.forEach((one, i) => {
        if (isSchema(one)) this.collectSchemas(this.document.inside(located, one, Array.isArray(given) ? `${keyword}/${i}` : keyword), into)
      })
    }
  }

  shapesOf(sub: Sub): Shapes {
    const found = this.known.get(sub)
    if (found !== undefined) return found
    if (this.open.has(sub)) throw new Unfinished()
    this.open.add(sub)
    try {
      const shapes = this.look(sub)
      this.known.set(sub, shapes)
      return shapes
    } finally {
      this.open.delete(sub)
    }
  }

  /** Nothing was found where a schema means itself. */
  private look(sub: Sub): Shapes {
    const data = this.subs.data[sub]!
    switch (data.kind) {
      case 'any':
        return anything
      case 'never':
        return nothing
      case 'value':
        return this.ofValue(data.value)
      case 'all':
        return data.subs.reduce((all, one) => this.meet(all, this.shapesOf(one)), anything)
      case 'some':
        return data.subs.reduce((some, one) => either(some, this.shapesOf(one)), nothing)
      case 'not':
        return this.other(this.shapesOf(data.sub))
      case 'schema':
        return this.ofSchema(data.located, data.scope)
      default:
        return data satisfies never
    }
  }

  private ofValue(value: JsonValue): Shapes {
    if (value === null) return { ...nothing, null: true }
    if (typeof value === 'boolean') return { ...nothing, [`${value}`]: true }
    if (typeof value === 'number') return { ...nothing, numbers: [{ ...anyNumber, values: [value + 0] }] }
    if (typeof value === 'string') return { ...nothing, strings: [{ ...anyString, values: [value] }] }
    const { subs } = this
    if (Array.isArray(value)) {
      const layer = { first: value.map((one: JsonValue) => subs.value(one)), rest: NEVER }
      return { ...nothing, arrays: [{ ...anyArray, min: value.length, max: value.length, layers: [layer] }] }
    }
    const members = Object.entries(value as { readonly [key: string]: JsonValue })
    const layer = { named: new Map(members.map(([name, one]) => [name, subs.value(one)])), formed: [], rest: NEVER }
    return { ...nothing, objects: [{ ...anyObject, required: members.map(([name]) => name), layers: [layer] }] }
  }

  private ofSchema(located: Located, scope: readonly string[]): Shapes {
    const { schema } = located
    if (typeof schema === 'boolean') return schema ? anything : nothing
    const { dialect, uri } = located.resource()
    const inner = scope.at(-1) === uri ? scope : scope.includes(uri) ? scope : [...scope, uri]
    const isOld = dialects.indexOf(dialect) < 3
    let shapes = this.references(located, schema, inner)
    if (!(isOld && typeof schema['$ref'] === 'string')) {
      shapes = this.meet(shapes, keywordShapes(this, located, schema, inner))
      shapes = this.combinations(located, schema, inner, shapes)
      shapes = this.unevaluated(located, schema, inner, shapes)
    }
    if (this.ways(shapes) <= MOST_WAYS) return shapes
    this.refuse(located, '', `says more than ${MOST_WAYS} different things about values of a type`)
    return anything
  }

  private ways({ numbers, strings, arrays, objects }: Shapes): number {
    return Math.max(numbers.length, strings.length, arrays.length, objects.length)
  }

  /** What stands under a keyword, to be looked at when it is needed. */
  sub(located: Located, at: string, schema: unknown, scope: readonly string[]): Sub {
    if (isSchema(schema)) return this.subs.schema(this.document.inside(located, schema, at), scope)
    this.refuse(located, at, `has to be a schema, got ${JSON.stringify(schema)?.slice(0, 60)}`)
    return ANY
  }

  private now(located: Located, at: string, schema: unknown, scope: readonly string[]): Shapes {
    return this.shapesNow(located, at, this.sub(located, at, schema, scope))
  }

  private shapesNow(located: Located, at: string, sub: Sub): Shapes {
    try {
      return this.shapesOf(sub)
    } catch (error) {
      if (!(error instanceof Unfinished) || this.trying > 0) throw error
      this.refuse(located, at, 'comes back to the schema that it stands in, without a value in between')
      return anything
    }
  }

  private references(located: Located, schema: Exclude<JsonSchema, boolean>, scope: readonly string[]): Shapes {
    let shapes = anything
    const follow = (keyword: string, target: Located | string): void => {
      if (typeof target === 'string') return this.refuse(located, keyword, target)
      const { uri } = target.resource()
      const own = scope.includes(uri) ? scope : [...scope, uri]
      shapes = this.meet(shapes, this.shapesNow(located, keyword, this.subs.schema(target, own)))
    }
    const { $ref, $dynamicRef, $recursiveRef } = schema
    if (typeof $ref === 'string') follow('$ref', this.document.refer(located, $ref))
    if (typeof $dynamicRef === 'string') {
      const near = this.document.refer(located, $dynamicRef)
      const name = $dynamicRef.slice($dynamicRef.indexOf('#') + 1)
      const isDynamic = typeof near !== 'string' && near.resource().dynamic.get(name) === near
      follow('$dynamicRef', (isDynamic ? this.document.dynamicTarget(scope, name) : undefined) ?? near)
    }
    if (typeof $recursiveRef === 'string') {
      const near = this.document.refer(located, $recursiveRef)
      const isDynamic = typeof near !== 'string' && near.resource().dynamic.has('')
      follow('$recursiveRef', (isDynamic ? this.document.dynamicTarget(scope, '') : undefined) ?? near)
    }
    return shapes
  }

  private combinations(located: Located, schema: Exclude<JsonSchema, boolean>, scope: readonly string[], base: Shapes): Shapes {
    let shapes = base
    const list = (keyword: string): Sub[] => {
      const given = schema[keyword]
      if (given === undefined) return []
      if (Array.isArray(given) && given.length > 0) return given.map((one, i) => this.sub(located, `${keyword}/${i}`, one, scope))
      this.refuse(located, keyword, 'has to be a list of schemas')
      return []
    }
    list('allOf').forEach((sub, i) => (shapes = this.meetAt(located, 'allOf', shapes, this.shapesNow(located, `allOf/${i}`, sub))))
    const any = list('anyOf').map((sub, i) => this.shapesNow(located, `anyOf/${i}`, sub))
    if (any.length > 0) shapes = this.meetAt(located, 'anyOf', shapes, this.someOf(any))
    const one = list('oneOf').map((sub, i) => this.shapesNow(located, `oneOf/${i}`, sub))
    if (one.length > 0) shapes = this.meetAt(located, 'oneOf', shapes, this.oneOf(located, one))
    if (schema['not'] !== undefined)
      shapes = this.meet(shapes, this.otherAt(located, 'not', this.now(located, 'not', schema['not'], scope)))
    return this.conditions(located, schema, scope, shapes)
  }

  /** One of some or several. What is true together is told apart where it matters what was looked at. */
  private someOf(any: readonly Shapes[]): Shapes {
    const union = any.reduce(either)
    if (!this.document.looksAtTheRest || any.length > MOST_TOGETHER) return union
    let together: Shapes[] = [anything]
    for (const one of any) together = [...together, ...together.map((others) => this.meet(others, one))]
    return together.slice(1).reduce(either, union)
  }

  private oneOf(located: Located, all: readonly Shapes[]): Shapes {
    return all
      .map((one, i) => {
        let alone = one
        all.forEach((another, k) => {
          if (i === k || this.isApart(alone, another)) return
          alone = this.meet(alone, this.otherAt(located, 'oneOf', another))
        })
        return alone
      })
      .reduce(either)
  }

  /** Whether no value is of both. */
  private isApart(a: Shapes, b: Shapes): boolean {
    return isNothing(this.meet(a, b))
  }

  private conditions(located: Located, schema: Exclude<JsonSchema, boolean>, scope: readonly string[], base: Shapes): Shapes {
    let shapes = base
    // Before draft-07 these are words without a meaning.
    if (dialects.indexOf(located.resource().dialect) < dialects.indexOf('draft-07')) return shapes
    if (schema['if'] !== undefined && (schema['then'] !== undefined || schema['else'] !== undefined || this.document.looksAtTheRest)) {
      const condition = this.now(located, 'if', schema['if'], scope)
      const branch = (keyword: 'then' | 'else', under: Shapes): Shapes =>
        schema[keyword] === undefined ? under : this.meet(under, this.now(located, keyword, schema[keyword], scope))
      shapes = this.meet(shapes, either(branch('then', condition), branch('else', this.otherAt(located, 'if', condition))))
    }
    for (const keyword of ['dependentSchemas', 'dependentRequired', 'dependencies']) {
      const map = schema[keyword]
      if (map === undefined) continue
      if (!isObject(map)) {
        this.refuse(located, keyword, 'has to be an object')
        continue
      }
      for (const [name, what] of Object.entries(map)) {
        const without: Shapes = { ...anything, objects: [withMember(name, NEVER)] }
        const present: Shapes = { ...nothing, objects: [{ ...anyObject, required: [name] }] }
        const then = Array.isArray(what)
          ? { ...nothing, objects: [{ ...anyObject, required: [name, ...what.filter((one): one is string => typeof one === 'string')] }] }
          : this.meet(present, this.now(located, `${keyword}/${name}`, what, scope))
        shapes = this.meet(shapes, either(without, then))
      }
    }
    return shapes
  }

  private unevaluated(located: Located, schema: Exclude<JsonSchema, boolean>, scope: readonly string[], shapes: Shapes): Shapes {
    const { unevaluatedProperties, unevaluatedItems } = schema
    let { objects, arrays } = shapes
    if (unevaluatedProperties !== undefined) {
      const rest = this.sub(located, 'unevaluatedProperties', unevaluatedProperties, scope)
      objects = objects.map((shape) => {
        const { names, formed, all } = shape.seen
        if (all) return shape
        const layer = {
          named: new Map(names.map((name) => [name, ANY])),
          formed: formed.map((form) => ({ names: form, sub: ANY })),
          rest,
        }
        return { ...shape, layers: [...shape.layers, layer], seen: { names, formed, all: true } }
      })
    }
    if (unevaluatedItems !== undefined) {
      const rest = this.sub(located, 'unevaluatedItems', unevaluatedItems, scope)
      arrays = arrays.map((shape) => {
        const { count, subs } = shape.seen
        if (count === Infinity) return shape
        const layer = { first: Array.from({ length: count }, () => ANY), rest: this.subs.some([...subs, rest]) }
        return { ...shape, layers: [...shape.layers, layer], seen: { count: Infinity, subs: [] } }
      })
    }
    return this.meet({ ...shapes, objects, arrays }, anything)
  }

  /** What both say. Ways that no value can be are left out, as far as is seen without looking at schemas that are being read. */
  meet(a: Shapes, b: Shapes): Shapes {
    if (a === anything) return b
    this.work += a.numbers.length * b.numbers.length + a.arrays.length * b.arrays.length + a.objects.length * b.objects.length
    this.work += weight(a) * b.strings.length + weight(b) * a.strings.length
    if (this.work > MOST_WORK) throw new Beyond('', `takes more than ${MOST_WORK} comparisons of what may be true of a value`)
    return {
      null: a.null && b.null,
      true: a.true && b.true,
      false: a.false && b.false,
      numbers: cross(a.numbers, b.numbers, meetNumbers),
      strings: cross(a.strings, b.strings, meetStrings),
      arrays: cross(a.arrays, b.arrays, meetArrays),
      objects: cross(a.objects, b.objects, (one, other) => {
        const both = meetObjects(one, other)
        return both === undefined || this.isImpossible(both) ? undefined : both
      }),
    }
  }

  /** Whether a member that has to be there cannot be. */
  private isImpossible({ required, layers }: ObjectShape): boolean {
    if (layers.length === 1) {
      const [{ named, formed, rest }] = layers as readonly [MemberLayer]
      return required.some((name) => (named.get(name) ?? (formed.length === 0 ? rest : ANY)) === NEVER)
    }
    for (const name of required) {
      const subs = layers.flatMap(({ named, rest, formed }) => named.get(name) ?? (formed.length === 0 ? rest : []))
      const sub = this.subs.all(subs)
      if (sub === NEVER) return true
      if (subs.filter((one) => one !== ANY).length > 1 && this.seemsEmpty(sub)) return true
    }
    return false
  }

  private seemsEmpty(sub: Sub): boolean {
    this.trying++
    try {
      return this.isEmpty(sub)
    } catch (error) {
      if (error instanceof Unfinished) return false
      throw error
    } finally {
      this.trying--
    }
  }

  private meetAt(located: Located, keyword: string, a: Shapes, b: Shapes): Shapes {
    try {
      return this.meet(a, b)
    } catch (error) {
      if (!(error instanceof Beyond)) throw error
      this.refuse(located, keyword, error.message)
      return a
    }
  }

  private otherAt(located: Located, keyword: string, shapes: Shapes): Shapes {
    try {
      return this.other(shapes)
    } catch (error) {
      if (!(error instanceof Beyond)) throw error
      this.refuse(located, keyword, error.message)
      return anything
    }
  }

  /** Every value that is not of some shapes. */
  private other(shapes: Shapes): Shapes {
    return {
      null: !shapes.null,
      true: !shapes.true,
      false: !shapes.false,
      numbers: none(shapes.numbers, anyNumber, otherNumbers, meetNumbers),
      strings: none(shapes.strings, anyString, otherStrings, meetStrings),
      arrays: none(
        shapes.arrays,
        anyArray,
        (shape) => {
          const ways = otherArrays(shape, this.subs)
          if (ways === undefined)
            throw new Beyond('uniqueItems', 'asks for arrays whose items are not all different, which cannot be expressed')
          return ways
        },
        meetArrays,
      ),
      objects: none(
        shapes.objects,
        anyObject,
        (shape) => otherObjects(shape, this.subs),
        (a, b) => {
          const both = meetObjects(a, b)
          return both === undefined || this.isImpossible(both) ? undefined : both
        },
      ),
    }
  }
}

export const withMember = (name: string, sub: Sub): ObjectShape => ({
  ...anyObject,
  layers: [{ named: new Map([[name, sub]]), formed: [], rest: ANY }],
})

const weight = ({ strings }: Shapes): number =>
  strings.reduce((sum, { values, notValues }) => sum + 1 + (values?.length ?? 0) + notValues.length, 0)

function cross<T>(a: readonly T[], b: readonly T[], meet: (a: T, b: T) => T | undefined): readonly T[] {
  const all = new Set<T>()
  for (const one of a)
    for (const other of b) {
      const both = meet(one, other)
      if (both !== undefined) all.add(both)
      if (all.size > 4 * MOST_WAYS) throw new Beyond('', `says more than ${4 * MOST_WAYS} different things about values of a type`)
    }
  return [...all]
}

function none<T>(shapes: readonly T[], any: T, other: (shape: T) => readonly T[], meet: (a: T, b: T) => T | undefined): readonly T[] {
  let ways: readonly T[] = [any]
  for (const shape of shapes) {
    if (shape === any) return []
    ways = cross(ways, other(shape), meet)
  }
  return ways
}
