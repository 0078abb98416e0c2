import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import { JsonError } from './json-error.js'
import { parsePartialJson, PartialJson, type DeepPartial, type JsonEvent } from './partial.js'

/** What a reader has after each of the pieces, as text. */
function states(pieces: readonly string[]): string[] {
  const reader = new PartialJson()
  return pieces.map((piece) => {
    reader.push(piece)
    return JSON.stringify(reader.value)
  })
}

/** Cuts a text at the places, given as fractions of its length. */
function cut(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => Math.floor(place * (text.length + 1))).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, i) => text.slice(at[i], end))
}

const documents = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, space]) => JSON.stringify(value, null, space))
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 12 })

describe('a reader of partial JSON', () => {
  it('has what is certain, and nothing else', () => {
    expect(states(['{', '"a', '"', ':', ' "x', 'y"', ',"b":[1', ', tru', 'e,-', '0.5', 'e1', ']', '}'])).toEqual([
      '{}',
      '{}',
      '{}',
      '{}',
      '{"a":"x"}',
      '{"a":"xy"}',
      '{"a":"xy","b":[]}',
      '{"a":"xy","b":[1]}',
      '{"a":"xy","b":[1,true]}',
      '{"a":"xy","b":[1,true]}',
      '{"a":"xy","b":[1,true]}',
      '{"a":"xy","b":[1,true,-5]}',
      '{"a":"xy","b":[1,true,-5]}',
    ])
  })

  it('cuts no escape and no pair of surrogates', () => {
    expect(states(['["\\', 'n\\u00', 'e9\\ud8', '3d', '\\ude0', '0', '\ud83d', '\ude00', '\\ud83d', 'x"]'])).toEqual(
      ['', '\n', '\né', '\né', '\né', '\né😀', '\né😀', '\né😀😀', '\né😀😀', '\né😀😀\ud83dx'].map((text) => JSON.stringify([text])),
    )
  })

  it('reads what JSON.parse reads, however it is cut', () => {
    fc.assert(
      fc.property(documents, places, (text, at) => {
        const reader = new PartialJson()
        for (const piece of cut(text, at)) reader.push(piece)
        expect(reader.end()).toEqual(JSON.parse(text))
        expect(JSON.stringify(reader.value)).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  it('refuses what JSON.parse refuses, at the same place however it is cut', () => {
    const broken = fc
      .tuple(documents, fc.nat(), fc.constantFrom('', ',', '"', '}', ']', ':', '1', 'e', '-', '\\', '\n', ' ', 'x', '{'))
      .map(([text, at, put]) => text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + 1))
    let refused = 0
    fc.assert(
      fc.property(broken, places, (text, at) => {
        const read = (pieces: readonly string[]): unknown => {
          const reader = new PartialJson()
          try {
            for (const piece of pieces) reader.push(piece)
            return JSON.stringify(reader.end())
          } catch (error) {
            expect(error).toBeInstanceOf(JsonError)
            return (error as JsonError).message
          }
        }
        const whole = read([text])
        expect(read(cut(text, at))).toBe(whole)
        expect(read([...text])).toBe(whole)
        let expected: unknown
        try {
          expected = JSON.stringify(JSON.parse(text))
        } catch {
          refused++
          expect(whole).toMatch(/JSON/)
          return
        }
        expect(whole).toBe(expected)
      }),
      { numRuns: 600, seed: 2 },
    )
    expect(refused).toBeGreaterThan(100)
  })

  it('tells what happens, in order', () => {
    const events: JsonEvent[] = []
    const reader = new PartialJson({ onEvent: (event) => events.push(event) })
    for (const piece of ['{"a":{"b":["x', 'y', '"', ',1', '2]}}']) reader.push(piece)
    expect(
      events.map((event) => [event.type, event.path.join('/'), JSON.stringify(event.type === 'text' ? event.delta : event.value)]),
    ).toEqual([
      ['text', 'a/b/0', '"x"'],
      ['text', 'a/b/0', '"y"'],
      ['value', 'a/b/0', '"xy"'],
      ['value', 'a/b/1', '12'],
      ['value', 'a/b', '["xy",12]'],
      ['value', 'a', '{"b":["xy",12]}'],
      ['value', '', '{"a":{"b":["xy",12]}}'],
    ])
  })

  it('has strings whose pieces together are their values', () => {
    fc.assert(
      fc.property(documents, places, (text, at) => {
        const strings = new Map<string, string>()
        const reader = new PartialJson({
          onEvent(event) {
            const key = event.path.join('/')
            if (event.type === 'text') strings.set(key, (strings.get(key) ?? '') + event.delta)
            else if (typeof event.value === 'string') {
              expect(strings.get(key)).toBe(event.value)
              strings.delete(key)
            }
          },
        })
        for (const piece of cut(text, at)) reader.push(piece)
        expect(strings.size).toBe(0)
      }),
      { numRuns: 200, seed: 3 },
    )
  })

  it('reads up to the end of a value and no further', () => {
    const reader = new PartialJson()
    expect(reader.read('x{"a":', 1)).toBe(6)
    expect(reader.read('[]} and')).toBe(3)
    expect([reader.isComplete, reader.length]).toEqual([true, 8])
    const number = new PartialJson()
    expect([number.read('12'), number.isComplete, number.read('3,'), number.isComplete, number.value]).toEqual([2, false, 1, true, 123])
  })

  it('is safe against hostile texts', () => {
    const value = new PartialJson()
    value.push('{"__proto__":{"polluted":1},"constructor":2}')
    expect(Object.keys(value.value as object)).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(parsePartialJson('{"a":1,"b":2,"a":[').value).toEqual({ a: [], b: 2 })
    expect(() => parsePartialJson('['.repeat(2000))).toThrow(
      'more than 1000 lists and objects inside of each other, from its character 1000 on',
    )
    expect(parsePartialJson('['.repeat(2000), { depth: 5000 }).isComplete).toBe(false)
    const reader = new PartialJson()
    expect(() => reader.push('{"a" 1')).toThrow('after 5 characters there is "1" where a colon is to come')
    expect(() => reader.push('}')).toThrow('after 5 characters')
    expect(() => reader.end()).toThrow('after 5 characters')
  })

  it('takes long texts in single characters', () => {
    const text = JSON.stringify({ text: 'ab\n'.repeat(40_000), digits: 1, list: Array.from({ length: 20_000 }, (_, i) => i) })
    const reader = new PartialJson()
    for (const character of text) reader.push(character)
    expect(reader.end()).toEqual(JSON.parse(text))
    const digits = new PartialJson()
    for (let i = 0; i < 300_000; i++) digits.push('1')
    expect(digits.end()).toBe(Infinity)
  })

  it('says how much of a text it has', () => {
    expect(parsePartialJson('')).toEqual({ value: undefined, isComplete: false })
    expect(parsePartialJson('1')).toEqual({ value: undefined, isComplete: false })
    expect(parsePartialJson('1 ')).toEqual({ value: 1, isComplete: true })
    expect(parsePartialJson<{ a: string }>('{"a":"b"}')).toEqual({ value: { a: 'b' }, isComplete: true })
    expect(() => new PartialJson().end()).toThrow('ends after 0 characters where a value is to come')
    expect(codeOf(() => parsePartialJson('{}{'))).toBe('JSON')
    expect(codeOf(() => new PartialJson({ depth: 0 }))).toBe('VALUE')
    expectTypeOf<DeepPartial<{ a: { b: string }[]; c?: number }>>().toEqualTypeOf<{ a?: { b?: string }[]; c?: number }>()
  })
})
