import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import { samplerChain } from '../chain.js'
import { bytesOf, ByteSet, otherRanges } from './bytes.js'
import * as grammar from './grammar.js'
import { Machine } from './machine.js'
import { Masks } from './masks.js'
import { grammarStep, Matcher } from './matcher.js'
import { Nodes } from './nodes.js'
import { Vocabulary } from './vocabulary.js'

/** All single bytes, an end, and some pieces of text, some of them twice and some of them ends of characters. */
function vocabularyOf(pieces: readonly (string | readonly number[])[]): Vocabulary {
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  const tokens = [...bytes, undefined, ...pieces.map((piece) => (typeof piece === 'string' ? bytesOf(piece) : Uint8Array.from(piece)))]
  return new Vocabulary(tokens, { end: [256] })
}
const END = 256
const stream = random(5)
const letters = ['a', 'b', '"', '\\', 'é', '😀', '1', '-', ' ', '\n', 'x']
const pieces = Array.from({ length: 600 }, () => Array.from({ length: 1 + stream.int(5) }, () => stream.choice(letters)).join(''))
const vocabulary = vocabularyOf([...pieces, 'aa', 'aa', '', [0xc3], [0xa9, 0x61], [0x9f, 0x98, 0x80], '"x', 'x"', 'a'.repeat(300)])

const allowed = (mask: Uint32Array): number[] =>
  Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => ((mask[id >> 5]! >>> (id & 31)) & 1) === 1)

/** A string of JSON of some lengths, with what is told apart for its masks, or without. */
function stringMachine(min: number, max: number, told: boolean): Machine {
  const nodes = new Nodes()
  const escape = nodes.sequence(nodes.literal('\\'), nodes.bytes(ByteSet.of(...bytesOf('"\\n'))))
  const character = nodes.choice(
    nodes.characters(
      otherRanges([
        [0, 0x1f],
        [0x22, 0x22],
        [0x5c, 0x5c],
      ]),
    ),
    escape,
  )
  const root = nodes.sequence(nodes.literal('"'), nodes.repeat(character, min, max), nodes.literal('"'), nodes.optional(nodes.literal('-')))
  return new Machine(nodes, root, told ? { character } : {})
}

describe('masks', () => {
  it('are refused where text can go on in too many ways, and others are as they were', () => {
    const nodes = new Nodes()
    // After a "(" the text is one of as many as there are, each told apart by where it ends.
    const many = Array.from({ length: 200 }, (_, i) =>
      nodes.sequence(nodes.repeat(nodes.bytes(ByteSet.of(97)), 0, Infinity), nodes.literal(`-${i}`)),
    )
    const root = nodes.choice(nodes.literal('x1'), nodes.sequence(nodes.literal('('), nodes.choice(...many)))
    const machine = new Machine(nodes, root, { work: 1_000 })
    const masks = new Masks(machine, vocabulary)
    const matcher = new Matcher(masks)
    matcher.accept(40)
    expect(codeOf(() => matcher.mask())).toBe('GRAMMAR')
    const other = new Matcher(masks)
    other.accept(bytesOf('x')[0]!)
    const ids = allowed(other.mask())
    expect(ids).toContain(bytesOf('1')[0])
    expect(ids).toEqual(Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => other.allows(id)))
  })

  it('have the tokens that lead on, and no others', () => {
    for (const source of ['^[ab]{2,9}(é|😀)?1*$', 'x', '^(?=.*1)[^"]*$', '^"(\\\\.|[^"\\\\])*"$']) {
      const matcher = grammar.fromRegex(source).matcher(vocabulary)
      for (let turn = 0; turn < 8; turn++) {
        const ids = allowed(matcher.mask())
        const expected = Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => matcher.allows(id))
        expect(ids).toEqual(expected)
        const going = ids.filter((id) => id !== END)
        if (going.length === 0) break
        matcher.accept(stream.choice(going))
      }
    }
  })

  it('do not depend on which places were asked for before', () => {
    const numbers = grammar.fromJsonSchema({ type: 'number' })
    const withDigits = vocabularyOf(['12'])
    const mayGoOn = (text: string): readonly boolean[] => {
      const matcher = numbers.matcher(withDigits)
      for (const byte of bytesOf(text)) matcher.accept(byte)
      const mask = matcher.mask()
      return [((mask[257 >> 5]! >>> (257 & 31)) & 1) === 1, matcher.allows(257)]
    }
    expect(['1', '0', '-', '-0', '0.', '1e'].map(mayGoOn)).toEqual([true, false, true, false, true, true].map((one) => [one, one]))
  })

  it('of strings are the same whether their characters are looked at one by one or not', () => {
    for (const [min, max] of [
      [0, Infinity],
      [0, 3],
      [2, 4],
      [5, 1000],
      [400, 900],
      [350, Infinity],
    ] as const) {
      const [told, plain] = [true, false].map((one) => new Matcher(new Masks(stringMachine(min, max, one), vocabulary))) as [
        Matcher,
        Matcher,
      ]
      for (let turn = 0; turn < 60; turn++) {
        const ids = allowed(told.mask())
        expect(ids).toEqual(allowed(plain.mask()))
        const going = ids.filter((id) => id !== END)
        if (going.length === 0) break
        // Long tokens now and then, to come to the end of what may come.
        const id = turn % 3 === 0 ? going.at(-1)! : stream.choice(going)
        told.accept(id)
        plain.accept(id)
      }
    }
  })

  it('of characters that come over and over, in any number and beside any others', () => {
    const sets = ['.', '[^"]', '[^a]', '[a-zé]', '[^\\n]', '\\S', '[é😀]', '\\p{L}', '[ab]', '\\w', '[^é]', 'é', '[^a-w]']
    const counts = ['*', '+', '{2}', '{3}', '{1,3}', '{0,4}', '{5}', '{2,}', '?', '{12}', '{300}', '{1,290}']
    const part = (): string => stream.choice(sets) + stream.choice(counts)
    for (let i = 0; i < 120; i++) {
      const ways = Array.from({ length: 1 + stream.int(2) }, () => Array.from({ length: 1 + stream.int(3) }, part).join(''))
      const pattern = `^(${ways.join('|')})${stream.choice(['', '"', 'x', '\\n', 'é', '1*'])}$`
      const inJson = i % 2 === 0
      const made = inJson ? grammar.fromJsonSchema({ type: 'array', items: { type: 'string', pattern } }) : grammar.fromRegex(pattern)
      const matcher = made.matcher(vocabulary)
      if (inJson) for (const byte of bytesOf('["')) matcher.accept(byte)
      for (let turn = 0; turn < 5; turn++) {
        const ids = allowed(matcher.mask())
        const expected = Array.from({ length: vocabulary.size }, (_, id) => id).filter((id) => matcher.allows(id))
        expect({ pattern, turn, ids }).toEqual({ pattern, turn, ids: expected })
        const going = ids.filter((id) => id !== END)
        if (going.length === 0) break
        matcher.accept(stream.choice(going))
      }
    }
  })

  it('of characters behind a byte that is none', () => {
    const nodes = new Nodes()
    const root = nodes.sequence(nodes.bytes(ByteSet.of(0xc3)), nodes.repeat(nodes.characters([[0x20, 0x10ffff]]), 0))
    const small = new Vocabulary(
      ['é', 'éa', [0xc3], [0xc3, 0x61]].map((one) => (typeof one === 'string' ? bytesOf(one) : Uint8Array.from(one))),
      { end: [] },
    )
    const mask = new Matcher(new Masks(new Machine(nodes, root), small)).mask()
    expect([0, 1, 2, 3].filter((id) => ((mask[0]! >>> id) & 1) === 1)).toEqual([2, 3])
  })

  it('are kept, so that the same place is looked at once', () => {
    const masks = new Masks(stringMachine(0, Infinity, true), vocabulary)
    const matcher = new Matcher(masks)
    for (const piece of ['"', 'a', 'b']) matcher.accept(piece.charCodeAt(0))
    const before = masks.machine.size
    const first = allowed(matcher.mask())
    const made = masks.machine.size
    for (let i = 0; i < 500; i++) {
      matcher.accept(0x61)
      expect(allowed(matcher.mask())).toEqual(first)
      if (i === 10) break
    }
    expect(made).toBeGreaterThan(before)
    expect(masks.machine.size).toBe(made)
  })
})

describe('a grammar that followed long texts', () => {
  it('begins anew, and the texts before go on', () => {
    const long = grammar.fromJsonSchema({ type: 'string', maxLength: 60_000 })
    const places = (): number => (long as unknown as { current: { machine: { size: number } } }).current.machine.size
    const first = long.matcher(vocabulary)
    first.accept(0x22)
    for (let i = 0; i < 55_000; i++) first.accept(0x61)
    const before = places()
    const second = long.matcher(vocabulary)
    expect(before).toBeGreaterThan(55_000)
    expect(places()).toBeLessThan(100)
    second.accept(0x22)
    for (let i = 0; i < 5_000; i++) {
      first.accept(0x61)
      second.accept(0x61)
    }
    expect([first, second].map((one) => allowed(one.mask()).includes(0x61))).toEqual([false, true])
    expect([first, second].every((one) => one.allows(0x22))).toBe(true)
    expect(long.matches('"aa"')).toBe(true)
  })
})

describe('a matcher', () => {
  it('takes tokens back', () => {
    const matcher = grammar.fromRegex('^ab1*$').matcher(vocabulary)
    const masks = [allowed(matcher.mask())]
    for (const id of [0x61, 0x62, 0x31, 0x31, END]) {
      matcher.accept(id)
      masks.push(allowed(matcher.mask()))
    }
    expect(matcher.isEnded).toBe(true)
    expect(masks.at(-1)).toEqual([END])
    for (let back = 4; back >= 0; back--) {
      matcher.rollback(1)
      expect(matcher.isEnded).toBe(false)
      expect(allowed(matcher.mask())).toEqual(masks[back])
    }
    expect(codeOf(() => matcher.rollback(1))).toBe('VALUE')
  })

  it('says what came where it must not, and stays as it was', () => {
    const matcher = grammar.fromRegex('^ab1*$').matcher(vocabulary)
    matcher.accept(0x61)
    const before = allowed(matcher.mask())
    expect(() => matcher.accept(0x31)).toThrow('after 1 tokens the grammar does not allow token 49, "1", from its byte 0 on')
    expect(() => matcher.accept(END)).toThrow('the text must not end after 1 tokens')
    expect(allowed(matcher.mask())).toEqual(before)
    const copy = matcher.clone()
    copy.accept(0x62)
    expect(allowed(matcher.mask())).toEqual(before)
    copy.accept(END)
    expect(() => copy.accept(0x31)).toThrow('the text has ended, and token 49 came')
    copy.reset()
    copy.accept(0x61)
  })

  it('knows what has to come', () => {
    const matcher = grammar.fromRegex('^aax"(é|b)x$').matcher(vocabulary)
    expect(new TextDecoder().decode(matcher.forcedBytes())).toBe('aax"')
    const ids = matcher.forcedTokens()
    for (const id of ids) matcher.accept(id)
    expect('aax"'.startsWith(ids.map((id) => new TextDecoder().decode(vocabulary.tokens[id])).join(''))).toBe(true)
  })

  it('never comes to an end that is none, whatever is chosen', () => {
    for (const source of ['^[ab]{3,7}(é|😀)$', '^(?=.*1)(?=.*-)[ab1-]{2,12}$', '^(?!.*aa)[ab]{1,20}x$', '^"(\\\\.|[^"\\\\]){0,9}"$']) {
      const regex = new RegExp(source, 'u')
      for (let seed = 0; seed < 25; seed++) {
        const matcher = grammar.fromRegex(source).matcher(vocabulary)
        const sampler = samplerChain([grammarStep(matcher)], { seed })
        const bytes: number[] = []
        const logits = Float32Array.from({ length: vocabulary.size }, (_, id) => (id === END ? 2 : 0))
        for (let id = -1; id !== END;) {
          id = sampler.choose(logits)
          sampler.accept(id)
          if (id !== END) bytes.push(...vocabulary.tokens[id]!)
          expect(bytes.length).toBeLessThan(5000)
        }
        expect(regex.test(new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes)))).toBe(true)
      }
    }
  })
})

describe('choices and vocabularies', () => {
  it('match their texts', () => {
    const colours = grammar.choice(['red', 'green', 'grey', 'é'])
    for (const text of ['red', 'green', 'grey', 'é']) expect(colours.matches(text)).toBe(true)
    for (const text of ['', 'gre', 'reds', 'e']) expect(colours.matches(text)).toBe(false)
    expect(codeOf(() => grammar.choice([]))).toBe('GRAMMAR')
  })

  it('are refused when they are none', () => {
    expect(codeOf(() => new Vocabulary([], { end: [] }))).toBe('VALUE')
    expect(codeOf(() => new Vocabulary([Uint8Array.of(1)], { end: [1] }))).toBe('VALUE')
    expect(codeOf(() => grammar.choice(['a']).matcher(vocabulary).mask(new Uint32Array(1)))).toBe('VALUE')
  })
})
