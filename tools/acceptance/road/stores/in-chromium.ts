import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, defaultClientConditions } from 'vite'
import { findChromium, launchChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { serveFolders } from '../../../../tests/browser/server.js'
import type { CheckResult } from './collect.js'
import type { SuiteName } from './suites.js'

export type BrowserSuite = SuiteName | 'IndexedDB'

/** Runs suites in a page that is built as an application would be, and returns what they found beside what the console said. */
export async function runInChromium(
  names: readonly BrowserSuite[],
): Promise<{ readonly results: ReadonlyMap<BrowserSuite, readonly CheckResult[]>; readonly messages: readonly string[] }> {
  const executable = findChromium()
  if (executable === undefined) throw new Error(noChromium)
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-stores-'))
  try {
    await build({
      root: join(import.meta.dirname, 'page'),
      configFile: false,
      logLevel: 'error',
      base: './',
      resolve: { conditions: ['@tesserae/source', ...defaultClientConditions] },
      build: { outDir: folder, emptyOutDir: true, minify: false, chunkSizeWarningLimit: 8192, reportCompressedSize: false },
    })
    await using server = await serveFolders({ folders: { '/': folder }, isolated: false })
    const browser = await launchChromium(executable)
    try {
      const page = await browser.newPage()
      const messages: string[] = []
      page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
      page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
      await page.goto(server.origin)
      await page.waitForFunction(() => 'runSuite' in globalThis)
      const results = new Map<BrowserSuite, readonly CheckResult[]>()
      for (const name of names) {
        const found = await page.evaluate(
          (suite) => (globalThis as unknown as { runSuite: (name: string) => Promise<CheckResult[]> }).runSuite(suite),
          name,
        )
        results.set(name, found)
      }
      return { results, messages: [...messages, ...server.missing.map((path) => `not found: ${path}`)] }
    } finally {
      await browser.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
