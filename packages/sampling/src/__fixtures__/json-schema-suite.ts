/** JSON-Schema-Test-Suite (MIT), which is not in the repository: what becomes of each of its tests. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SamplingError } from '../errors.js'
import { grammar } from '../grammar.js'
import type { JsonSchema } from '../grammar/json-schema/document.js'
import type { JsonSchemaOptions } from '../grammar/json-schema/json-schema.js'

export interface SuiteFile {
  readonly name: string
  tests: number
  passed: number
  /** Of schemas that cannot be held to. */
  refused: number
  /** Instances that are invalid and follow the grammar: there must be none. */
  readonly accepted: string[]
  /** Instances that are valid and do not follow the grammar. */
  readonly rejected: string[]
  /** Refusals that name no keyword of the schema by its pointer: there must be none. */
  readonly unnamed: string[]
  /** Why schemas are refused, with the number of tests. */
  readonly reasons: Map<string, number>
}

interface Group {
  readonly description: string
  readonly schema: JsonSchema
  readonly tests: readonly { readonly description: string; readonly data: unknown; readonly valid: boolean }[]
}

/** The folder of the suite, beside the repository or in TESSERAE_DATA; undefined where it is not. */
export function suiteFolder(): string | undefined {
  const data = process.env['TESSERAE_DATA'] ?? join(import.meta.dirname, '../../../../../shared/data')
  const folder = join(data, 'json-schema')
  return existsSync(join(folder, 'tests/draft2020-12')) ? folder : undefined
}

export const noSuite = 'The JSON-Schema-Test-Suite is not here: its tests and remotes belong into json-schema of the folder that TESSERAE_DATA names'

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

/** The schemas that the suite's server would give, by their addresses. */
function remotes(folder: string): Readonly<Record<string, JsonSchema>> {
  const names = readdirSync(join(folder, 'remotes'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'))
  return Object.fromEntries(
    names.map((name) => [`http://localhost:1234/${name.replaceAll('\\', '/')}`, json(join(folder, 'remotes', name)) as JsonSchema]),
  )
}

/** Names of the suite's files, without `.json`. */
export const suiteFiles = (folder: string, part = ''): string[] =>
  readdirSync(join(folder, 'tests/draft2020-12', part))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()

/**
 * Compiles every schema of 2020-12 and asks of every instance, in JSON, whether it follows the grammar.
 *
 * @param part `''` for the tests that are required, `optional` or `optional/format` for others
 */
export function runSuite(folder: string, part = '', options: JsonSchemaOptions = {}, names = suiteFiles(folder, part)): SuiteFile[] {
  // Members come in any order in the instances; `format` says nothing in the required tests, and something in the others.
  const formats = part === '' ? 'annotate' : 'assert'
  const given: JsonSchemaOptions = { schemas: remotes(folder), keyOrder: 'any', formats, ...options }
  return names.map((name) => {
    const file: SuiteFile = { name, tests: 0, passed: 0, refused: 0, accepted: [], rejected: [], unnamed: [], reasons: new Map() }
    for (const group of json(join(folder, 'tests/draft2020-12', part, `${name}.json`)) as Group[]) runGroup(file, group, given)
    return file
  })
}

function runGroup(file: SuiteFile, { description, schema, tests }: Group, options: JsonSchemaOptions): void {
  file.tests += tests.length
  let matches: (text: string) => boolean
  try {
    const compiled = grammar.fromJsonSchema(schema, options)
    matches = (text) => compiled.matches(text)
  } catch (error) {
    if (!(error instanceof SamplingError) || error.code !== 'GRAMMAR') throw error
    // That nothing is valid is an answer.
    if (!error.message.includes('No value is valid')) return refuse(file, description, schema, options, tests.length, error.message)
    matches = () => false
  }
  for (const { description: test, data, valid } of tests) {
    const follows = matches(JSON.stringify(data))
    const title = `${description}: ${test}`
    if (follows === valid) file.passed++
    else if (follows) file.accepted.push(title)
    else file.rejected.push(title)
  }
}

function refuse(file: SuiteFile, description: string, schema: JsonSchema, options: JsonSchemaOptions, tests: number, message: string): void {
  file.refused += tests
  const named = [...pointersOf(schema, ''), ...Object.entries(options.schemas ?? {}).flatMap(([uri, one]) => pointersOf(one, uri))].filter(
    (pointer) => message.includes(` ${pointer}: `),
  )
  if (named.length === 0) file.unnamed.push(`${description}: ${message}`)
  // Pointers differ from schema to schema; keyword and reason are what a reader wants to know.
  const first = named.sort((a, b) => message.indexOf(` ${a}: `) - message.indexOf(` ${b}: `))[0]
  const after = first === undefined ? message : message.slice(message.indexOf(` ${first}: `) + first.length + 3)
  const keyword = first?.split('/').findLast((part) => !/^\d+$/.test(part))
  const reason = `${keyword === undefined ? '' : `\`${keyword}\` `}${after.split(/; (?:\/|and \d+ more|the schema: |[a-z]+:\/\/)|\. With lenient/)[0]!}`
  file.reasons.set(reason, (file.reasons.get(reason) ?? 0) + tests)
}

/** Pointers to everything inside of a document. */
function pointersOf(value: unknown, at: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const pointer = `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    return [pointer, ...pointersOf(inner, pointer)]
  })
}

export interface SuiteTotal {
  readonly tests: number
  readonly passed: number
  readonly refused: number
  readonly accepted: readonly string[]
  readonly rejected: readonly string[]
  readonly unnamed: readonly string[]
}

export function totalOf(files: readonly SuiteFile[]): SuiteTotal {
  const sum = (count: (file: SuiteFile) => number): number => files.reduce((total, file) => total + count(file), 0)
  const all = (list: (file: SuiteFile) => readonly string[]) => files.flatMap((file) => list(file).map((one) => `${file.name}: ${one}`))
  return {
    tests: sum(({ tests }) => tests),
    passed: sum(({ passed }) => passed),
    refused: sum(({ refused }) => refused),
    accepted: all(({ accepted }) => accepted),
    rejected: all(({ rejected }) => rejected),
    unnamed: all(({ unnamed }) => unnamed),
  }
}
