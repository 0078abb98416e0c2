import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashOf, sha256 } from './hash.js'

describe('sha256', () => {
  it('gives the digests of FIPS 180-4', () => {
    expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })

  it('agrees with Node for texts of every length around a block and of every kind', () => {
    const expected = (text: string) => createHash('sha256').update(text).digest('hex')
    for (let length = 0; length < 200; length++) expect(sha256('x'.repeat(length))).toBe(expected('x'.repeat(length)))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => sha256(text) === expected(text)))
  })
})

it('hashOf knows where parts end', () => {
  expect(hashOf('ab', 'c')).not.toBe(hashOf('a', 'bc'))
  expect(hashOf('a')).toMatch(/^[0-9a-f]{32}$/)
})
