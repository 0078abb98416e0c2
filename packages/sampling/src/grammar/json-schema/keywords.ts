/** Keywords that say something of one type of value. */
import { dialects, escapePointer, isObject, type JsonSchema, type JsonValue, type Located } from './document.js'
import type { Reader } from './read.js'
import {
  ANY,
  anyArray,
  anyNumber,
  anyObject,
  anyString,
  anything,
  either,
  isPossibleNumber,
  NEVER,
  nothing,
  type ArrayShape,
  type NumberShape,
  type ObjectShape,
  type Shapes,
  type StringShape,
  type Sub,
  type TextRule,
} from './shapes.js'

type Keywords = Exclude<JsonSchema, boolean>

/** What a schema says by its own keywords of values of each type. */
export function keywordShapes(reader: Reader, located: Located, schema: Keywords, scope: readonly string[]): Shapes {
  const read = new KeywordReader(reader, located, schema, scope)
  const shapes: Shapes = {
    null: true,
    true: true,
    false: true,
    numbers: read.number(),
    strings: read.string(),
    arrays: read.array(),
    objects: read.object(),
  }
  return reader.meet(reader.meet(shapes, read.values()), read.types())
}

class KeywordReader {
  constructor(
    private readonly reader: Reader,
    private readonly located: Located,
    private readonly schema: Keywords,
    private readonly scope: readonly string[],
  ) {}

  private get age(): number {
    return dialects.indexOf(this.located.resource().dialect)
  }

  private refuse(keyword: string, reason: string): void {
    this.reader.refuse(this.located, keyword, reason)
  }

  private sub(at: string, schema: unknown): Sub {
    return this.reader.sub(this.located, at, schema, this.scope)
  }

  private has(keyword: string): boolean {
    return this.schema[keyword] !== undefined
  }

  private count(keyword: string, otherwise: number): number {
    const value = this.schema[keyword]
    if (value === undefined) return otherwise
    if (typeof value === 'number' && value >= 0 && Number.isInteger(value)) return value
    this.refuse(keyword, `has to be a whole number that is not negative, got ${JSON.stringify(value)}`)
    return otherwise
  }

  private bound(keyword: string): number | undefined {
    const value = this.schema[keyword]
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isFinite(value)) return value
    this.refuse(keyword, `has to be a number, got ${typeof value === 'number' ? value : JSON.stringify(value)}`)
    return undefined
  }

  types(): Shapes {
    const { type } = this.schema
    if (type === undefined) return anything
    const names = Array.isArray(type) ? type : [type]
    let shapes = nothing
    for (const name of names) {
      const one = typeof name === 'string' && Object.hasOwn(TYPES, name) ? TYPES[name as keyof typeof TYPES] : undefined
      if (one === undefined) this.refuse('type', `names a type of JSON, got ${JSON.stringify(name)}`)
      else shapes = either(shapes, one)
    }
    // A number takes whole ones too.
    return names.includes('number') && names.includes('integer') ? { ...shapes, numbers: [anyNumber] } : shapes
  }

  values(): Shapes {
    let shapes = anything
    const { subs } = this.reader
    if (Object.hasOwn(this.schema, 'const') && this.age > 0) shapes = this.reader.shapesOf(subs.value(this.schema['const'] as JsonValue))
    const list = this.schema['enum']
    if (list === undefined) return shapes
    if (!Array.isArray(list)) {
      this.refuse('enum', `has to be a list, got ${JSON.stringify(list)}`)
      return shapes
    }
    const values = list as readonly JsonValue[]
    const numbers = values.filter((one) => typeof one === 'number')
    const strings = values.filter((one) => typeof one === 'string')
    const others = values.filter((one) => typeof one === 'object' && one !== null).map((one) => this.reader.shapesOf(subs.value(one)))
    const simple: Shapes = {
      ...nothing,
      null: values.includes(null),
      true: values.includes(true),
      false: values.includes(false),
      numbers: numbers.length === 0 ? [] : [{ ...anyNumber, values: numbers.map((one) => one + 0) }],
      strings: strings.length === 0 ? [] : [{ ...anyString, values: [...new Set(strings)] }],
    }
    return this.reader.meet(shapes, others.reduce(either, simple))
  }

  number(): readonly NumberShape[] {
    let shape = anyNumber
    const { schema } = this
    const [min, max] = [this.bound('minimum'), this.bound('maximum')]
    if (min !== undefined) shape = { ...shape, min, aboveMin: this.age === 0 && schema['exclusiveMinimum'] === true }
    if (max !== undefined) shape = { ...shape, max, belowMax: this.age === 0 && schema['exclusiveMaximum'] === true }
    if (typeof schema['exclusiveMinimum'] !== 'boolean') {
      const above = this.bound('exclusiveMinimum')
      if (above !== undefined && above >= shape.min) shape = { ...shape, min: above, aboveMin: true }
    } else if (this.age > 0) this.refuse('exclusiveMinimum', 'has to be a number since draft-06, got a boolean')
    if (typeof schema['exclusiveMaximum'] !== 'boolean') {
      const below = this.bound('exclusiveMaximum')
      if (below !== undefined && below <= shape.max) shape = { ...shape, max: below, belowMax: true }
    } else if (this.age > 0) this.refuse('exclusiveMaximum', 'has to be a number since draft-06, got a boolean')
    const multiple = this.bound('multipleOf')
    if (multiple !== undefined) {
      const problem = multiple > 0 ? this.reader.options.problemOfMultiple(multiple) : undefined
      if (problem !== undefined) this.refuse('multipleOf', problem)
      else if (multiple > 0) shape = { ...shape, multiples: [multiple] }
      else this.refuse('multipleOf', `has to be above 0, got ${multiple}`)
    }
    return isPossibleNumber(shape) ? [shape] : []
  }

  string(): readonly StringShape[] {
    const [min, max] = [this.count('minLength', 0), this.count('maxLength', Infinity)]
    const rules: TextRule[] = []
    const { pattern, format } = this.schema
    if (pattern !== undefined) {
      if (typeof pattern === 'string') this.rule('pattern', `pattern:${pattern}`, rules)
      else this.refuse('pattern', `has to be a text, got ${JSON.stringify(pattern)}`)
    }
    if (typeof format === 'string' && this.reader.options.formats === 'assert') {
      const isKnown = this.reader.options.isFormat(format)
      // Formats that nobody defined are notes.
      if (isKnown === true) rules.push(`format:${format}`)
      else if (isKnown === false) this.refuse('format', `${format} cannot be asserted; with formats: 'annotate' it is taken for a note`)
    }
    if (min > max) return []
    return min === 0 && max === Infinity && rules.length === 0 ? [anyString] : [{ ...anyString, min, max, rules }]
  }

  private rule(keyword: string, rule: TextRule, rules: TextRule[]): void {
    const problem = this.reader.options.problemOf(rule)
    if (problem === undefined) rules.push(rule)
    else this.refuse(keyword, problem)
  }

  array(): readonly ArrayShape[] {
    const { schema, age } = this
    const [min, max] = [this.count('minItems', 0), this.count('maxItems', Infinity)]
    let shape: ArrayShape = anyArray
    // Lists of schemas are `prefixItems` since 2020-12; where no version is named, the older way is read too.
    const isOldList = Array.isArray(schema['items'])
    const list = isOldList ? schema['items'] : age >= 4 ? schema['prefixItems'] : undefined
    const restKeyword = isOldList ? 'additionalItems' : 'items'
    if (list !== undefined || this.has(restKeyword)) {
      const listKeyword = isOldList ? 'items' : 'prefixItems'
      if (list !== undefined && !Array.isArray(list)) this.refuse(listKeyword, 'has to be a list of schemas')
      const first = Array.isArray(list) ? list.map((one, i) => this.sub(`${listKeyword}/${i}`, one)) : []
      const rest = this.has(restKeyword) ? this.sub(restKeyword, schema[restKeyword]) : ANY
      if (first.length > 0 || rest !== ANY) shape = { ...shape, layers: [{ first, rest }] }
      shape = { ...shape, seen: { count: this.has(restKeyword) ? Infinity : first.length, subs: [] } }
    }
    if (min > 0 || max < Infinity) shape = { ...shape, min, max }
    if (schema['uniqueItems'] === true) shape = { ...shape, isUnique: true }
    if (this.has('contains') && age > 0) {
      const sub = this.sub('contains', schema['contains'])
      const isCounted = age >= 3
      const contains = {
        sub,
        min: isCounted ? this.count('minContains', 1) : 1,
        max: isCounted ? this.count('maxContains', Infinity) : Infinity,
        from: 0,
      }
      shape = { ...shape, contains: [contains], seen: { ...shape.seen, subs: age >= 4 ? [sub] : [] } }
      if (contains.min > contains.max) return []
    }
    return min > max ? [] : [shape]
  }

  object(): readonly ObjectShape[] {
    const { schema } = this
    const [min, max] = [this.count('minProperties', 0), this.count('maxProperties', Infinity)]
    let shape: ObjectShape = anyObject
    const named = new Map<string, Sub>()
    const formed: { names: StringShape; sub: Sub }[] = []
    for (const [name, one] of this.entries('properties')) named.set(name, this.sub(`properties/${escapePointer(name)}`, one))
    for (const [source, one] of this.entries('patternProperties')) {
      const at = `patternProperties/${escapePointer(source)}`
      const rules: TextRule[] = []
      this.rule(at, `pattern:${source}`, rules)
      if (rules.length > 0) formed.push({ names: { ...anyString, rules }, sub: this.sub(at, one) })
    }
    // Where a name has a place of its own and a form, both are true of it.
    for (const { names, sub } of formed)
      for (const [name, own] of named) if (this.reader.options.isOfShape(names, name)) named.set(name, this.reader.subs.all([own, sub]))
    const hasRest = this.has('additionalProperties')
    const rest = hasRest ? this.sub('additionalProperties', schema['additionalProperties']) : ANY
    if (named.size > 0 || formed.length > 0 || hasRest) {
      shape = {
        ...shape,
        layers: rest === ANY && named.size + formed.length === 0 ? [] : [{ named, formed, rest }],
        seen: { names: [...named.keys()], formed: formed.map(({ names }) => names), all: hasRest },
      }
    }
    if (this.has('propertyNames') && this.age > 0) {
      const { strings } = this.reader.shapesOf(this.sub('propertyNames', schema['propertyNames']))
      const layer = { named: new Map<string, Sub>(), formed: strings.map((names) => ({ names, sub: ANY })), rest: NEVER }
      if (!strings.includes(anyString)) shape = { ...shape, layers: [...shape.layers, layer] }
    }
    const { required } = schema
    if (Array.isArray(required)) shape = { ...shape, required: [...new Set(required.map(String))] }
    else if (required !== undefined && !(this.age === 0 || typeof required === 'boolean'))
      this.refuse('required', `has to be a list of names, got ${JSON.stringify(required)}`)
    if (min > 0 || max < Infinity) shape = { ...shape, min, max }
    return min > max ? [] : [shape]
  }

  private entries(keyword: string): [string, unknown][] {
    const map = this.schema[keyword]
    if (map === undefined) return []
    if (isObject(map)) return Object.entries(map)
    this.refuse(keyword, `has to be an object, got ${JSON.stringify(map)}`)
    return []
  }
}

const TYPES: Readonly<Record<'null' | 'boolean' | 'number' | 'integer' | 'string' | 'array' | 'object', Shapes>> = {
  null: { ...nothing, null: true },
  boolean: { ...nothing, true: true, false: true },
  number: { ...nothing, numbers: [anyNumber] },
  integer: { ...nothing, numbers: [{ ...anyNumber, isWhole: true }] },
  string: { ...nothing, strings: [anyString] },
  array: { ...nothing, arrays: [anyArray] },
  object: { ...nothing, objects: [anyObject] },
}
