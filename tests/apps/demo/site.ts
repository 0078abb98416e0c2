/** The demo as a visitor gets it: built, served with and without the headers that let threads share memory, and open in Chromium. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { preview } from 'vite'
import { findChromium, launchChromium, noChromium } from '../../browser/chromium.js'

const root = fileURLToPath(new URL('../../../apps/demo', import.meta.url))

export interface Site extends AsyncDisposable {
  readonly browser: Browser
  /** With COOP and COEP, as `vite preview` serves it. */
  readonly origin: string
  /** Without them, as a plain static host does. */
  readonly plainOrigin: string
  /** Where screenshots go; kept after the run. */
  readonly screenshots: string
  readonly buildSeconds: number
}

/** Builds the site and opens a browser. Errors: when there is no Chromium, or the build fails. */
export async function openSite(): Promise<Site> {
  const executable = findChromium()
  if (executable === undefined) throw new Error(noChromium)
  const outDir = mkdtempSync(join(tmpdir(), 'tesserae-demo-'))
  const screenshots = join(tmpdir(), 'tesserae-demo-screenshots')
  mkdirSync(screenshots, { recursive: true })
  const start = performance.now()
  // In a process of its own, as `npm run build:site` does: a test runner's environment would end up in the site.
  const vite = fileURLToPath(new URL('../../bin/vite.js', import.meta.resolve('vite')))
  const env = { ...process.env, NODE_ENV: 'production' }
  await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error', '--outDir', outDir, '--emptyOutDir'], {
    cwd: root,
    env,
  })
  const buildSeconds = (performance.now() - start) / 1000
  const serve = { root, logLevel: 'error', build: { outDir } } as const
  const isolated = await preview({ ...serve, preview: { host: 'localhost', port: 0 } })
  const plain = await preview({ ...serve, configFile: false, preview: { host: 'localhost', port: 0 } })
  const browser = await launchChromium(executable)
  const originOf = ({ resolvedUrls }: typeof plain): string => resolvedUrls!.local[0]!.replace(/\/$/, '')
  return {
    browser,
    origin: originOf(isolated),
    plainOrigin: originOf(plain),
    screenshots,
    buildSeconds,
    async [Symbol.asyncDispose]() {
      await browser.close()
      await isolated.close()
      await plain.close()
      rmSync(outDir, { recursive: true, force: true })
    },
  }
}

export interface Visit {
  readonly context: BrowserContext
  readonly page: Page
  /** Errors and warnings on the console, and what was not caught. */
  readonly messages: readonly string[]
}

/** A visitor without a past. Anything on the console counts, whatever the test then looks at. */
export async function visit(
  site: Site,
  options: { readonly width?: number; readonly theme?: 'light' | 'dark'; readonly plain?: boolean } = {},
): Promise<Visit> {
  const { width = 1440, theme = 'light', plain = false } = options
  const context = await site.browser.newContext({
    viewport: { width, height: width < 500 ? 812 : 900 },
    colorScheme: theme,
    baseURL: plain ? site.plainOrigin : site.origin,
    acceptDownloads: true,
  })
  const messages: string[] = []
  const page = await context.newPage()
  listen(page, messages)
  return { context, page, messages }
}

/** Collects what a page says on its console. */
export function listen(page: Page, messages: string[]): void {
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
}
