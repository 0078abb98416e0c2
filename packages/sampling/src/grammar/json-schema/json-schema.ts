/** JSON Schemas as grammars: every text that the grammar takes is JSON that the schema validates. */
import { SamplingError } from '../../errors.js'
import type { Machine } from '../machine.js'
import type { Node, Nodes } from '../nodes.js'
import { ByteSet } from '../bytes.js'
import { EMPTY } from '../nodes.js'
import { dialects, SchemaDocument, isSchema, type Dialect, type JsonSchema } from './document.js'
import { Beyond } from './beyond.js'
import { Emptiness } from './emptiness.js'
import { isFormat } from './formats.js'
import { Numbers } from './numbers.js'
import { Reader, Unfinished, type SchemaRefusal } from './read.js'
import { Strings } from './strings.js'
import { Texts } from './text.js'

/** Things that have to be true of values at some depth; more are refused. */
const MOST_SUBS = 20_000

export interface JsonSchemaOptions {
  /** What stands between tokens: nothing, or any white space. Default 'compact'. */
  readonly whitespace?: 'compact' | 'flexible'
  /** In which order members come: in that of the schema, with those that it does not name at the end, or in any. Default 'schema'. */
  readonly keyOrder?: 'schema' | 'any'
  /** Whether texts are held to `format`. Default 'assert'. */
  readonly formats?: 'assert' | 'annotate'
  /** The version of JSON Schema, where `$schema` does not name it. Default '2020-12'. */
  readonly dialect?: Dialect
  /** Other schemas that this one refers to, by their addresses. */
  readonly schemas?: Readonly<Record<string, JsonSchema>>
  /** Leaves out what cannot be held to, instead of refusing the schema: texts that it does not validate may then come. Default false. */
  readonly lenient?: boolean
  /** With `lenient`: is told of each keyword that is left out. */
  readonly onLeftOut?: (left: SchemaRefusal) => void
}

/**
 * The texts of values that a schema validates.
 *
 * @param machine of the same nodes, which tells whether texts are possible
 * @throws SamplingError `GRAMMAR` that lists what cannot be held to by JSON pointers, and for what is no schema
 */
export function jsonSchemaNode(nodes: Nodes, machine: () => Machine, schema: JsonSchema, options: JsonSchemaOptions = {}): Node {
  if (!isSchema(schema))
    throw new SamplingError(
      'GRAMMAR',
      `A JSON Schema is an object or a boolean, got ${JSON.stringify(schema)?.slice(0, 60)}${typeof schema === 'string' ? '; read it by JSON.parse first' : ''}`,
    )
  const { whitespace = 'compact', keyOrder = 'schema', formats = 'assert', dialect = '2020-12', schemas, lenient = false } = options
  checkOneOf('whitespace', whitespace, ['compact', 'flexible'])
  checkOneOf('keyOrder', keyOrder, ['schema', 'any'])
  checkOneOf('formats', formats, ['assert', 'annotate'])
  checkOneOf('dialect', dialect, dialects)
  const strings = new Strings(nodes, machine)
  const numbers = new Numbers(nodes, machine)
  const space = whitespace === 'compact' ? EMPTY : nodes.repeat(nodes.bytes(ByteSet.of(0x20, 0x0a, 0x0d, 0x09)), 0)
  const document = read(() => new SchemaDocument(schema, dialect, schemas))
  const reader = new Reader(
    document,
    {
      formats,
      isFormat,
      problemOf: (rule) => strings.problemOf(rule),
      problemOfMultiple: (multiple) => numbers.problemOf(multiple),
      isOfShape: (shape, text) => strings.isOfShape(shape, text),
    },
    (sub) => emptiness.isEmpty(sub),
  )
  const { subs } = reader
  const texts: Texts = new Texts(nodes, {
    subs,
    shapesOf: (sub) => reader.shapesOf(sub),
    isEmpty: (sub) => emptiness.isEmpty(sub),
    strings,
    numbers,
    space,
    isOrdered: keyOrder === 'schema',
    isLenient: lenient,
    isSettled: () => emptiness.isSettled,
  })
  const emptiness: Emptiness = new Emptiness(reader, strings, numbers, texts)
  const { root } = reader
  lookAtAll(reader, texts, emptiness)
  const refusals = [...reader.refusals.values()]
  if (refusals.length > 0 && !lenient) throw refused(refusals)
  if (emptiness.isEmpty(root)) throw new SamplingError('GRAMMAR', 'No value is valid by the schema')
  for (const refusal of refusals) options.onLeftOut?.(refusal)
  return nodes.sequence(space, texts.value(root), space)
}

/** Looks at everything that has to be true of a value at any depth, so that what cannot be held to is known before the first text. */
function lookAtAll(reader: Reader, texts: Texts, emptiness: Emptiness): void {
  const queue = [reader.root]
  const seen = new Set(queue)
  for (let at = 0; at < queue.length; at++) {
    const sub = queue[at]!
    try {
      const shapes = reader.shapesOf(sub)
      for (const one of texts.inside(shapes)) if (!seen.has(one) && seen.add(one)) queue.push(one)
      for (const shape of [...shapes.objects, ...shapes.arrays]) {
        const left = texts.leftOut.get(shape)
        if (left !== undefined) reader.refuseAt(sub, left.keyword, left.message)
      }
      emptiness.isEmpty(sub)
      if (queue.length > MOST_SUBS) throw new Beyond('', `says more than ${MOST_SUBS} different things about values`)
    } catch (error) {
      if (error instanceof Beyond) reader.refuseAt(sub, error.keyword, error.message)
      else if (error instanceof Unfinished)
        reader.refuseAt(sub, '$ref', 'comes back to the schema that it stands in, without a value in between')
      else throw error
      if (queue.length > MOST_SUBS) return
    }
  }
}

function checkOneOf(name: string, value: string, values: readonly string[]): void {
  if (!values.includes(value)) throw new SamplingError('VALUE', `${name} is one of ${values.join(', ')}, got ${String(value)}`)
}

function read<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw new SamplingError('GRAMMAR', `The schema cannot be read: ${error.message}`, { cause: error })
    throw error
  }
}

function refused(refusals: readonly SchemaRefusal[]): SamplingError {
  const shown = refusals.slice(0, 10).map(({ pointer, reason }) => `${pointer === '' ? 'the schema' : pointer}: ${reason}`)
  const more = refusals.length > shown.length ? `; and ${refusals.length - shown.length} more` : ''
  return new SamplingError(
    'GRAMMAR',
    `The schema cannot be held to at ${refusals.length} place${refusals.length === 1 ? '' : 's'}. ${shown.join('; ')}${more}. With lenient: true these are left out`,
  )
}
