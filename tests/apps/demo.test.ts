/** The demo in Chromium: every room visited and used. Screenshots stay in the system's temporary folder. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, noChromium } from '../browser/chromium.js'
import { demoChecks } from './demo/checks.js'
import { openSite, type Site } from './demo/site.js'

const executable = findChromium()
let site: Site | undefined

beforeAll(async () => {
  if (executable !== undefined) site = await openSite()
}, 120_000)
afterAll(async () => site?.[Symbol.asyncDispose]())

describe('the demo', () => {
  it.for(demoChecks)('$name', { timeout: 300_000 }, async ({ run }, { skip }) => {
    skip(executable === undefined, noChromium)
    expect(await run(site!)).not.toBe('')
  })
})
