import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import { parsePartialJson } from './partial.js'
import { repairJson } from './repair.js'

const documents = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, space]) => JSON.stringify(value, null, space))

/** What is left of repairs, for the tables below. */
const mended = (text: string): unknown => {
  const { text: json, value, repairs } = repairJson(text)
  expect(JSON.parse(json)).toEqual(value)
  expect(repairs.length).toBeGreaterThan(0)
  for (const { at, what } of repairs) {
    expect(at >= 0 && at <= text.length).toBe(true)
    expect(what).not.toBe('')
  }
  return value
}

describe('repairing JSON', () => {
  it.each([
    ['{"a":"x', { a: 'x' }],
    ['{"a":1,"b', { a: 1 }],
    ['{"a":1,"b":', { a: 1 }],
    ['{"a":1,', { a: 1 }],
    ['[1, 2., -', [1, 2]],
    ['[1e', [1]],
    ['[1.5e+', [1.5]],
    ['[1, tr', [1, true]],
    ['{"a":{"b":[{"c":nu', { a: { b: [{ c: null }] } }],
    ['["\\', ['']],
    ['["a\\u00', ['a']],
    ['["\\ud83d', ['']],
    ['["x\ud83d', ['x']],
    ['["\\ud83d\\ude0', ['']],
    ['-', null],
    ['"abc', 'abc'],
    ['fal', false],
  ])('closes what was cut off: %s', (text, value) => {
    expect(mended(text)).toEqual(value)
  })

  it.each([
    ['[1,2,]', [1, 2]],
    ['{"a":1,}', { a: 1 }],
    ['[,1,,2]', [1, 2]],
    ["{'a': 'it\\'s', 'b': 'it's'}", { a: "it's", b: "it's" }],
    ['{name: "Ada", $x: 1, 2: 3}', { name: 'Ada', $x: 1, 2: 3 }],
    ["{'ok': True, 'no': False, 'none': None}", { ok: true, no: false, none: null }],
    ['{"a": NaN, "b": -Infinity, "c": undefined}', { a: null, b: null, c: null }],
    ['{"a": 1, // one\n "b": 2 /* two */, # three\n "c": 3}', { a: 1, b: 2, c: 3 }],
    ['```json\n{"a": 1}\n```', { a: 1 }],
    ['Here it is:\n```json\n{"a": 1}\n```\nGood luck!', { a: 1 }],
    ['Sure. {"a": [1, 2}', { a: [1, 2] }],
    ['["a" "b", 1 2 true {"c" 1} [3]]', ['a', 'b', 1, 2, true, { c: 1 }, [3]]],
    ['{"a": 1 "b": 2\n"c": 3}', { a: 1, b: 2, c: 3 }],
    ['{"a": "x"\nb: "y"}', { a: 'x', b: 'y' }],
    ['{"text": "one\ntwo\tthree"}', { text: 'one\ntwo\tthree' }],
    ['{"text": "He said "hi" to me", "n": 1}', { text: 'He said "hi" to me', n: 1 }],
    ['{“a”: “b”}', { a: 'b' }],
    ['{"a": .5, "b": +1, "c": 1., "d": 007}', { a: 0.5, b: 1, c: 1, d: '007' }],
    ['{"a":, "b": 2, "c"}', { a: null, b: 2, c: null }],
    ['{"path": "C:\\Users\\x41 \\d"}', { path: 'C:\\UsersA \\d' }],
    ['{"a": hello world, "b": http://x.y/z?q=1}', { a: 'hello world', b: 'http://x.y/z?q=1' }],
    ['{"a" = 1, "b" => 2}', { a: 1, b: 2 }],
    ['{"a":1}}', { a: 1 }],
    ['[1, 2, ...]', [1, 2]],
    ['{"a":1} {"b":2}', { a: 1 }],
    ['3 results: [1,2]', [1, 2]],
    ['{"__proto__": 1, b', JSON.parse('{"__proto__": 1}')],
    ['\ufeff{"a":1', { a: 1 }],
  ])('mends what models write: %s', (text, value) => {
    expect(mended(text)).toEqual(value)
  })

  it('leaves JSON as it is', () => {
    fc.assert(
      fc.property(documents, (text) => {
        expect(repairJson(text)).toEqual({ text, value: JSON.parse(text), repairs: [] })
      }),
      { numRuns: 200, seed: 1 },
    )
  })

  it('makes JSON of every beginning of JSON, with all that a reader of partial JSON has', () => {
    fc.assert(
      fc.property(documents, fc.double({ min: 0, max: 1, noNaN: true }), (text, part) => {
        const beginning = text.slice(0, Math.floor(part * text.length))
        if (beginning.trim() === '') return
        const { text: json, value } = repairJson(beginning)
        expect(JSON.parse(json)).toEqual(value)
        // A reader waits for the end of numbers and names, which are put in here.
        if (!/[-+.\w]$/.test(beginning) || /"[^"]*$/.test(beginning.replaceAll(/"(\\.|[^"\\])*"/g, ''))) {
          const { value: known } = parsePartialJson(beginning)
          expect(value).toEqual(known)
        }
      }),
      { numRuns: 1000, seed: 2 },
    )
  })

  it('makes JSON of anything with a bracket in it', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(
          ...'{}[],:"\'`=#/*\\-.+ \n\ttruefalsn0123eExu“’',
          '//',
          '/*',
          '*/',
          '```',
          '```json',
          'True',
          'None',
          '\\u00',
          '\ud83d',
          '\ude00',
          '"a"',
          '...',
        ),
        documents,
      ),
      { maxLength: 40 },
    )
    let read = 0
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('')
        if (!/[{[]/.test(text)) {
          // A scalar, or nothing to read.
          expect(['JSON', 'nothing thrown']).toContain(codeOf(() => repairJson(text)))
          return
        }
        read++
        const { text: json, value, repairs } = repairJson(text)
        expect(JSON.parse(json)).toEqual(value)
        expect(json === text).toBe(repairs.length === 0)
      }),
      { numRuns: 2000, seed: 3 },
    )
    expect(read).toBeGreaterThan(1000)
  })

  it('takes long texts', () => {
    for (const text of [
      '['.repeat(100_000),
      '{"a":'.repeat(20_000),
      '{'.repeat(50_000) + ']'.repeat(50_000),
      '['.repeat(50_000) + '}'.repeat(50_000),
      `["${'\\"'.repeat(50_000)}`,
      `["${'" x '.repeat(25_000)}`,
      `[${'"'.repeat(100_000)}`,
      `[${'" '.repeat(50_000)}`,
      `[${'a '.repeat(50_000)}`,
      `[${'1'.repeat(100_000)}x`,
      `[${','.repeat(100_000)}`,
      `[${'/* */'.repeat(20_000)}`,
      `[${'/'.repeat(100_000)}`,
      `${'x [ '.repeat(25_000)}`,
      `1 ${' '.repeat(100_000)}[`,
    ]) {
      const { text: json, value } = repairJson(text)
      expect(json.length).toBeGreaterThan(0)
      expect(value).toBeDefined()
    }
  })

  it('says where there is nothing to read', () => {
    for (const text of ['', '   ', 'No', 'hello world', '}', ',']) expect(codeOf(() => repairJson(text))).toBe('JSON')
  })
})
