/** The page of checks in a Chromium with WebGPU on its software adapter, or with other arguments. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPage } from './build-page.js'
import { launchChromium, softwareWebGpu } from './chromium.js'
import type { CheckInput, CheckName, CheckOutput, CheckRunner, Place } from './page/protocol.js'
import { serveFolders } from './server.js'

export const sharedData = fileURLToPath(new URL('../../../shared/data', import.meta.url))

export interface WebGpuPage extends AsyncDisposable {
  run<Name extends CheckName>(place: Place, name: Name, input: CheckInput<Name>): Promise<CheckOutput<Name>>
  /** What the page said on its console, and errors that nothing caught. */
  readonly messages: readonly string[]
  /** Ends the browser's GPU process, as a driver that crashes does. */
  crashGpu(): Promise<void>
}

export async function openWebGpuPage(executable: string, args: readonly string[] = softwareWebGpu): Promise<WebGpuPage> {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-webgpu-'))
  await buildPage(folder)
  const browser = await launchChromium(executable, args)
  const server = await serveFolders({ folders: { '/': folder, '/data/': sharedData }, isolated: true })
  const messages: string[] = []
  const page = await browser.newPage()
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
  await page.goto(server.origin)
  await page.waitForFunction(() => 'runCheck' in globalThis)
  return {
    messages,
    crashGpu: async () => {
      const session = await browser.newBrowserCDPSession()
      await session.send('Browser.crashGpuProcess')
      await session.detach()
    },
    run: <Name extends CheckName>(place: Place, name: Name, input: CheckInput<Name>) =>
      page.evaluate(
        ([where, check, given]) => (globalThis as unknown as { runCheck: CheckRunner }).runCheck(where, check, given as never),
        [place, name, input] as const,
      ) as Promise<CheckOutput<Name>>,
    async [Symbol.asyncDispose]() {
      await browser.close()
      await server[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
