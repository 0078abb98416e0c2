import { describe, expect, it } from 'vitest'
import { propertyRanges } from '../unicode/generated/properties.js'
import { scriptCodes, scriptNames } from '../unicode/generated/scripts.js'
import { complement, difference, has, type CodeSet } from './code-set.js'
import { allProperties } from './more-properties.js'
import { basicProperties, plainName, wordSet } from './properties.js'

const assigned = basicProperties('assigned')!

/** Code points of version 16 on which a set and the engine disagree. The engine may know a later version, which corrects a few properties. */
function disagreements(set: CodeSet, property: string): number {
  const pattern = new RegExp(`^\\p{${property}}$`, 'u')
  let count = 0
  for (let i = 0; i < assigned.length; i += 2) {
    for (let point = assigned[i]!; point < assigned[i + 1]!; point++) {
      // Ideographs, syllables and private use are many and alike.
      if (point > 0x3400 && point < 0x9f00) point = 0x9f00
      if (point > 0xac10 && point < 0xd700) point = 0xd700
      if (point > 0xd7ff && point < 0xf900) point = 0xf900
      if (point > 0x17100 && point < 0x18700) point = 0x18700
      if (point > 0x20000) return count
      if (pattern.test(String.fromCodePoint(point)) !== has(set, point)) count++
    }
  }
  return count
}

describe('properties', () => {
  it('of scripts are found by both names and are those of the engine', () => {
    const [names, codes] = [scriptNames.split(/\s+/), scriptCodes.split(/\s+/)]
    expect(names).toHaveLength(codes.length)
    for (const name of ['Han', 'Latin', 'Hiragana', 'Katakana', 'Hangul', 'Arabic', 'Cyrillic', 'Thai', 'Devanagari', 'Greek', 'Common']) {
      const set = allProperties(plainName(name))!
      expect(disagreements(set, `Script=${name}`), name).toBeLessThan(10)
      expect(allProperties(codes[names.indexOf(name)]!.toLowerCase())).toEqual(set)
      expect(allProperties(`script=${plainName(name)}`)).toEqual(set)
    }
    for (const name of names) expect(allProperties(plainName(name)), name).toBeDefined()
  })

  it('with two values are those of the engine', () => {
    // Unicode 17 revised these two for characters that were there before.
    const revised = new Set(['Diacritic', 'Extended_Pictographic'])
    const listed = Object.keys(propertyRanges).filter((name) => !name.startsWith('Other_') && !revised.has(name))
    for (const name of [
      ...listed,
      'Alphabetic',
      'Lowercase',
      'Uppercase',
      'Cased',
      'ID_Start',
      'ID_Continue',
      'White_Space',
      'Any',
      'ASCII',
    ]) {
      expect(disagreements(allProperties(plainName(name))!, name), name).toBeLessThan(20)
    }
    expect(allProperties('nonsense')).toBeUndefined()
  })

  it('make words of what is alphabetic, a mark, a decimal number or a connector', () => {
    const missing = difference(allProperties('alphabetic')!, wordSet())
    expect(missing).toEqual([])
    const more = difference(wordSet(), allProperties('alphabetic')!)
    const allowed = ['M', 'Nd', 'Pc'].map((name) => complement(basicProperties(name.toLowerCase())!))
    expect(allowed.reduce((rest, outside) => difference(rest, complement(outside)), more)).toEqual([])
  })
})
