import { describe, expect, it } from 'vitest'
import { meanCount, preferred, rules } from './rules.js'

const rule = (name: string) => rules.find((one) => one.name === name)!

describe('rules', () => {
  it('prefer what they state', () => {
    expect(preferred(rule('shorter'), ['one two three', 'one'])).toBe(1)
    expect(preferred(rule('longer'), ['one two three', 'one'])).toBe(0)
    expect(preferred(rule('sea'), ['A dog.', 'A whale in the sea.'])).toBe(1)
  })

  it('say nothing where the answers are equal to them', () => {
    expect(preferred(rule('shorter'), ['one two', 'three four'])).toBeUndefined()
    expect(preferred(rule('sea'), ['A seal.', 'A dog, much longer.'])).toBeUndefined()
  })

  it('count without a sign', () => {
    expect(meanCount(rule('shorter'), ['one two three', 'one'])).toBe(2)
    expect(meanCount(rule('sea'), [])).toBe(0)
  })
})
