/** The documentation as a visitor gets it: built, on a static server without the headers that let threads share memory, and a browser. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { preview } from 'vite'
import { findChromium, launchChromium, noChromium } from '../browser/chromium.js'

export interface DocsSite extends AsyncDisposable {
  readonly browser: Browser
  /** Without a slash at the end. */
  readonly origin: string
  /** Where pictures of the pages go; kept after the run. */
  readonly pictures: string
  readonly buildSeconds: number
}

/**
 * Builds the reference and the site, serves it and opens a browser; with `built`, what `npm run build:site` left is served where it is there.
 * Errors: when there is no Chromium, or the build fails.
 */
export async function openDocs({ built = false }: { readonly built?: boolean } = {}): Promise<DocsSite> {
  const executable = findChromium()
  if (executable === undefined) throw new Error(noChromium)
  const cwd = fileURLToPath(new URL('../../apps/docs', import.meta.url))
  const dist = join(cwd, 'site/.vitepress/dist')
  const isBuilt = built && existsSync(join(dist, 'index.html'))
  const outDir = isBuilt ? dist : mkdtempSync(join(tmpdir(), 'tesserae-docs-'))
  const pictures = join(tmpdir(), 'tesserae-docs-screenshots')
  mkdirSync(pictures, { recursive: true })
  const start = performance.now()
  if (!isBuilt) await buildSite(cwd, outDir)
  const buildSeconds = (performance.now() - start) / 1000
  const server = await preview({
    root: outDir,
    configFile: false,
    logLevel: 'error',
    appType: 'mpa', // what is not there is not there
    build: { outDir },
    preview: { host: 'localhost', port: 0 },
  })
  const browser = await launchChromium(executable)
  return {
    browser,
    origin: server.resolvedUrls!.local[0]!.replace(/\/$/, ''),
    pictures,
    buildSeconds,
    async [Symbol.asyncDispose]() {
      await browser.close()
      await server.close()
      if (!isBuilt) rmSync(outDir, { recursive: true, force: true })
    },
  }
}

async function buildSite(cwd: string, outDir: string): Promise<void> {
  // In processes of their own, as `npm run build:site` has it: a test runner's environment would end up in the site.
  const run = (...command: string[]) =>
    promisify(execFile)(process.execPath, command, { cwd, env: { ...process.env, NODE_ENV: 'production' }, maxBuffer: 1 << 26 })
  await run('--import', 'tsx', 'scripts/write-api.mts')
  await run(fileURLToPath(new URL('../../bin/vitepress.js', import.meta.resolve('vitepress'))), 'build', 'site', '--outDir', outDir)
}
