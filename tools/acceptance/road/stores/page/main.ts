// Runs in Chromium what the row 'stores' asks for.
import { makeChange, makeManifest } from '@tesserae/rag/testing'
import { pglite } from '@tesserae/rag/pglite'
import { check, type CheckResult } from '../collect.js'
import { suites, type SuiteName } from '../suites.js'

/** An index in IndexedDB: kept for the next opener, and one at a time. */
async function indexedDb(): Promise<CheckResult[]> {
  const store = pglite({ idb: 'conformance' })
  return [
    await check('keeps an index in IndexedDB', async () => {
      await store.open(makeManifest())
      await store.applySource(makeChange('a', ['alpha beta', 'gamma']))
    }),
    await check('refuses a second opener', async () => {
      const outcome = await pglite({ idb: 'conformance' })
        .open(makeManifest())
        .then(() => 'was let in')
        .catch((error: unknown) => (error as { readonly code?: string }).code)
      if (outcome !== 'LOCKED') throw new Error(`The second opener ${outcome}`)
    }),
    await check('opens it again with what was in it', async () => {
      await store.close()
      const next = pglite({ idb: 'conformance' })
      await next.open(makeManifest())
      const { chunks } = await next.stats()
      await next.close()
      if (chunks !== 2) throw new Error(`${chunks} chunks of 2 are there`)
    }),
  ]
}

const page = globalThis as unknown as { runSuite: (name: SuiteName | 'IndexedDB') => Promise<CheckResult[]> }
page.runSuite = (name) => (name === 'IndexedDB' ? indexedDb() : suites[name]())
