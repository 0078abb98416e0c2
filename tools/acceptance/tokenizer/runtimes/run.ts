import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { EdgeVM } from '@edge-runtime/vm'
import { build } from 'vite'
import { launchChromium } from '../../../../tests/browser/chromium.js'
import { serveFolders } from '../../../../tests/browser/server.js'
import { bundle, conditions, scratch } from './bundle.js'
import type { Result } from './work.js'

const workFile = JSON.stringify(join(import.meta.dirname, 'work.ts'))

const edgeScript = async (): Promise<string> =>
  `${await bundle(`export { work } from ${workFile}\n`)}\n;JSON.stringify((result.work ?? result)())`

/** In Vercel's edge runtime. */
export async function inEdgeRuntime(): Promise<Result> {
  return JSON.parse(new EdgeVM().evaluate<string>(await edgeScript())) as Result
}

/** In a context that has the language and two classes of the web, no `process`, no `require`, no modules, no `eval`: less than any edge runtime gives. */
export async function inBareContext(): Promise<Result> {
  const context = createContext({ TextEncoder, TextDecoder }, { codeGeneration: { strings: false, wasm: false } })
  return JSON.parse(runInContext(await edgeScript(), context) as string) as Result
}

/** In a page and in a module worker of Chromium, and a batch in threads that the package starts from the page. */
export async function inChromium(executable: string): Promise<{ page: Result; worker: Result; batch: number[][]; messages: string[] }> {
  const folder = scratch()
  try {
    await build({
      root: join(import.meta.dirname, 'page'),
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
      const page = await browser.newPage()
      const messages: string[] = []
      page.on('console', (message) => messages.push(message.text()))
      page.on('pageerror', (error) => messages.push(error.message))
      await page.goto(server.origin)
      await page
        .waitForFunction(() => document.body.dataset['results'] !== undefined, undefined, { timeout: 60_000 })
        .catch((cause: unknown) => {
          throw new Error(`no results; the page said: ${messages.join('\n')}`, { cause })
        })
      const results = JSON.parse(await page.evaluate(() => document.body.dataset['results']!)) as {
        page: Result
        worker: Result
        batch: number[][]
      }
      return { ...results, messages: [...messages, ...server.missing.map((path) => `not found: ${path}`)] }
    } finally {
      await browser.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
