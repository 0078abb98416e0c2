import { describe, expect, it } from 'vitest'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { inBareContext, inChromium, inEdgeRuntime } from './run.js'
import { expected, work } from './work.js'

const executable = findChromium()

describe('encodings', () => {
  it('run in Node', () => {
    expect(work()).toEqual(expected)
  })

  it('run in an edge runtime', async () => {
    expect(await inEdgeRuntime()).toEqual(expected)
  })

  it('run where there is nothing but the language, TextEncoder and TextDecoder', async () => {
    expect(await inBareContext()).toEqual(expected)
  })

  it('run in a page, in a worker, and in the threads of a batch', async ({ skip }) => {
    skip(executable === undefined, noChromium)
    expect(await inChromium(executable!)).toEqual({
      page: expected,
      worker: expected,
      batch: [expected.ids['cl100k_base'], [], expected.ids['cl100k_base']],
      messages: [],
    })
  })
})
