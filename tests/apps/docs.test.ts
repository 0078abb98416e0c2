/** The documentation in Chromium: every page visited, every experiment used. Pictures stay in the system's temporary folder. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, noChromium } from '../browser/chromium.js'
import { checkDocs, docsPages, problemsOf } from './docs-check.js'
import { openDocs, type DocsSite } from './docs-site.js'

const executable = findChromium()
let site: DocsSite | undefined

beforeAll(async () => {
  if (executable !== undefined) site = await openDocs({ built: true })
}, 300_000)
afterAll(async () => site?.[Symbol.asyncDispose]())

describe('the documentation', () => {
  it.for(docsPages)(
    '%s: quiet console, axe clean, at home on a telephone, its experiment gives what it must',
    { timeout: 180_000 },
    async (path, { skip }) => {
      skip(executable === undefined, noChromium)
      const { browser, origin, pictures } = site!
      expect(problemsOf(await checkDocs({ browser, origin, pictures, paths: [path] }))).toEqual([])
    },
  )
})
