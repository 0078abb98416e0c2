// Pages of Chromium that decode, each in a browser of its own, so that none shares memory or threads with another.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, basename, join } from 'node:path'
import { build, defaultClientConditions } from 'vite'
import type { Browser, Page as Tab } from 'playwright-core'
import { findChromium, launchChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { serveFolders, type StaticServer } from '../../../../tests/browser/server.js'
import { peakOfProcess } from '../../lib/peak.js'
import { PeerUnavailable } from '../../lib/peers.js'
import type { Loaded, Page, Task, Turn } from './page/protocol.js'

/** A page that has its model. */
export interface OpenPage {
  readonly loaded: Loaded
  turn(tokens: number): Promise<Turn>
  /** Most memory that the processes of its browser had together, each at its own peak; undefined where the system does not tell. */
  peakMiB(): Promise<number | undefined>
}

export interface Pages extends AsyncDisposable {
  /** `model` is a path. */
  open(task: Task): Promise<OpenPage>
}

/** Folders of packages by where pages find them. */
export async function openPages(packages: Readonly<Record<string, string>>): Promise<Pages> {
  const executable = findChromium()
  if (executable === undefined) throw new PeerUnavailable(noChromium)
  const built = mkdtempSync(join(tmpdir(), 'tesserae-chromium-'))
  await build({
    root: join(import.meta.dirname, 'page'),
    configFile: false,
    logLevel: 'error',
    base: './',
    resolve: { conditions: ['@tesserae/source', ...defaultClientConditions] },
    worker: { format: 'es' },
    build: { outDir: built, emptyOutDir: true, target: 'es2022', chunkSizeWarningLimit: 8192, reportCompressedSize: false },
  })
  const open: (Browser | StaticServer)[] = []
  return {
    async open(task) {
      const folder = dirname(task.model)
      const server = await serveFolders({ folders: { '/': built, '/model/': folder, ...packages }, isolated: true })
      open.push(server)
      const browser = await launchChromium(executable)
      open.push(browser)
      const tab = await browser.newPage()
      const messages: string[] = []
      tab.on('console', (message) => messages.push(message.text()))
      tab.on('pageerror', (error) => messages.push(error.message))
      await tab.goto(server.origin)
      await tab.waitForFunction(() => 'decoding' in globalThis)
      const call = async <Result>(what: keyof Page, argument: unknown): Promise<Result> => {
        try {
          return (await tab.evaluate(
            ([name, given]) =>
              (globalThis as unknown as { decoding: Record<string, (given: unknown) => Promise<unknown>> }).decoding[name]!(given),
            [what, argument] as const,
          )) as Result
        } catch (cause) {
          throw new Error(`${task.runtime}: ${(cause as Error).message}; the page said: ${messages.slice(-5).join(' ')}`, { cause })
        }
      }
      const loaded = await call<Loaded>('load', { ...task, model: `/model/${basename(task.model)}` })
      return { loaded, turn: (tokens) => call<Turn>('turn', tokens), peakMiB: () => peakOf(browser, tab) }
    },
    async [Symbol.asyncDispose]() {
      for (const one of open.toReversed()) await ('close' in one ? one.close() : one[Symbol.asyncDispose]())
      rmSync(built, { recursive: true, force: true })
    },
  }
}

/** Of the process that runs the page and its workers, with the browser's own beside it. */
async function peakOf(browser: Browser, _tab: Tab): Promise<number | undefined> {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  try {
    return processInfo.reduce((sum, { id }) => sum + peakOfProcess(id), 0) / 2 ** 20
  } catch {
    return undefined
  }
}
