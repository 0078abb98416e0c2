import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** Debian's packages, what `npx playwright install chromium` fetched, and the usual places on macOS and Windows. */
const places = (): (string | undefined)[] => [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium-headless-shell', // starts in half the time
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  chromium.executablePath(),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** Path of an installed Chromium, or undefined. */
export const findChromium = (): string | undefined => places().find((path) => path !== undefined && path !== '' && existsSync(path))

export const noChromium =
  'no Chromium found. Install it (Debian: apt-get install chromium-headless-shell), or give its path in CHROMIUM_PATH'

/** Starts it. The sandbox is off because it needs rights that containers lack; only our own pages are opened. */
export const launchChromium = (executablePath: string, args: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', ...args] })

/** WebGPU without a graphics card: Chromium's own software adapter. */
export const softwareWebGpu: readonly string[] = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']
