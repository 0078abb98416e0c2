import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { inBareContext, inChromium, inEdgeRuntime } from '../../lib/runtimes.js'
import { work } from './work.js'

const workFile = join(import.meta.dirname, 'work.ts')
const executable = findChromium()
const expected = work()

describe('a grammar of a JSON Schema, by random logits', () => {
  it('gives valid JSON in Node', () => {
    expect(expected.invalid).toBe(0)
    expect(new Set(expected.texts).size).toBeGreaterThan(15)
    expect(expected.refused).toBe('GRAMMAR')
  })

  it('gives the same in an edge runtime', async () => {
    expect(await inEdgeRuntime(workFile)).toEqual(expected)
  })

  it('gives the same where there is nothing but the language, TextEncoder and TextDecoder', async () => {
    expect(await inBareContext(workFile)).toEqual(expected)
  })

  it('gives the same in a page and in a worker', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    const { results, messages } = await inChromium(executable!, join(import.meta.dirname, 'page'))
    expect(messages).toEqual([])
    expect(results).toEqual({ page: expected, worker: expected })
  })
})
