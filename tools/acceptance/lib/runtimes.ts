// Runs a module that exports `work()` wherever packages have to run, and gives what it returns, as JSON. The module uses only what the web has.
import { rmSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'
import { EdgeVM } from '@edge-runtime/vm'
import { build } from 'vite'
import { launchChromium } from '../../../tests/browser/chromium.js'
import { serveFolders } from '../../../tests/browser/server.js'
import { bundle, conditions, scratch } from './bundle.js'

const script = async (file: string): Promise<string> =>
  `${await bundle(`export { work } from ${JSON.stringify(file)}\n`)}\n;JSON.stringify((result.work ?? result)())`

/** In Vercel's edge runtime. */
export async function inEdgeRuntime(file: string): Promise<unknown> {
  return JSON.parse(new EdgeVM().evaluate<string>(await script(file)))
}

/** In a context that has the language and two classes of the web, no `process`, no `require`, no modules, no `eval`: less than any edge runtime gives. */
export async function inBareContext(file: string): Promise<unknown> {
  const context = createContext({ TextEncoder, TextDecoder }, { codeGeneration: { strings: false, wasm: false } })
  return JSON.parse(runInContext(await script(file), context) as string)
}

/** In Chromium: what the page of a folder, which may start workers, writes to `document.body.dataset.results`, and what the console said. */
export async function inChromium(executable: string, page: string): Promise<{ results: unknown; messages: string[] }> {
  const folder = scratch()
  try {
    await build({
      root: page,
      configFile: false,
      logLevel: 'error',
      base: './',
      resolve: { conditions },
      worker: { format: 'es' },
      build: { outDir: folder, emptyOutDir: true, target: 'es2022', chunkSizeWarningLimit: 8192, reportCompressedSize: false },
    })
    await using server = await serveFolders({ folders: { '/': folder }, isolated: false })
    const browser = await launchChromium(executable)
    try {
      const tab = await browser.newPage()
      const messages: string[] = []
      tab.on('console', (message) => messages.push(message.text()))
      tab.on('pageerror', (error) => messages.push(error.message))
      await tab.goto(server.origin)
      await tab
        .waitForFunction(() => document.body.dataset['results'] !== undefined, undefined, { timeout: 60_000 })
        .catch((cause: unknown) => {
          throw new Error(`no results; the page said: ${messages.join('\n')}`, { cause })
        })
      const results = JSON.parse(await tab.evaluate(() => document.body.dataset['results']!)) as unknown
      return { results, messages: [...messages, ...server.missing.map((path) => `not found: ${path}`)] }
    } finally {
      await browser.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
