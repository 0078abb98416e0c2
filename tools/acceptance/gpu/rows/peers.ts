// Bar 3: side by side with jax-js on one software adapter, each in a page of its own, by turns. Times include reading the result back.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { buildPage } from '../../../../tests/browser/build-page.js'
import { findChromium, launchChromium, noChromium, softwareWebGpu } from '../../../../tests/browser/chromium.js'
import { serveFolders } from '../../../../tests/browser/server.js'
import { atLeast, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import type { ContestName } from '../contests/contest.js'
import type { Started } from '../contests/page/main.js'

interface Bar {
  readonly contest: ContestName
  readonly title: string
  /** How far results may lie apart: that the same thing is measured, not just something as long. */
  readonly tolerance: number
}

const bars: readonly Bar[] = [
  { contest: 'matmul256', title: 'f32 matmul 256³', tolerance: 1e-3 },
  { contest: 'matmul512', title: 'f32 matmul 512³', tolerance: 1e-2 },
  { contest: 'softmax', title: 'softmax 1024x1024', tolerance: 1e-5 },
  { contest: 'layerNorm', title: 'layer norm 1024x1024', tolerance: 1e-3 },
  { contest: 'block', title: 'block of GPT-2, 64 tokens, width 256', tolerance: 1e-3 },
  { contest: 'step', title: 'its training step', tolerance: 1e-3 },
]
const TARGET = 1.5
const TURNS = 8

interface ContestPage {
  startContest(side: string, contest: string): Promise<Started>
  runContest(runs: number): Promise<{ milliseconds: number[]; peakBytes: number }>
}

const source: RowSource = async ({ log }) => {
  const executable = findChromium()
  if (executable === undefined) return unavailable('WebGPU beside jax-js', `≥ ${TARGET}`, noChromium)
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-contest-'))
  await buildPage(folder, new URL('../contests/page', import.meta.url))
  await using server = await serveFolders({ folders: { '/': folder }, isolated: true })
  const browser = await launchChromium(executable, softwareWebGpu)
  try {
    const rows: Row[] = []
    for (const bar of bars) rows.push(await compare(bar, browser, server.origin, log))
    return rows
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

async function open(browser: Browser, origin: string): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(origin)
  await page.waitForFunction(() => 'startContest' in globalThis)
  return page
}

async function compare({ contest, title, tolerance }: Bar, browser: Browser, origin: string, log: (line: string) => void): Promise<Row> {
  const figure = `${title} on WebGPU, times as fast as jax-js`
  const sides = ['tesserae', 'jax-js'] as const
  const pages = [await open(browser, origin), await open(browser, origin)]
  try {
    const started: Started[] = []
    for (const [i, page] of pages.entries())
      started.push(
        await page.evaluate(([side, name]) => (globalThis as unknown as ContestPage).startContest(side, name), [
          sides[i]!,
          contest,
        ] as const),
      )
    const [own, other] = started as [Started, Started]
    const worst = Math.max(...own.sample.map((value, i) => Math.abs(value - other.sample[i]!)))
    if (own.sample.length !== other.sample.length || !(worst <= tolerance))
      return unavailable(figure, `≥ ${TARGET}`, `the two results differ by ${worst}`)
    const times: [number[], number[]] = [[], []]
    const peaks = [0, 0]
    for (let turn = 0; turn < TURNS; turn++)
      for (const which of turn % 2 === 0 ? [0, 1] : [1, 0]) {
        const found = await pages[which]!.evaluate((runs) => (globalThis as unknown as ContestPage).runContest(runs), 4)
        times[which]!.push(...found.milliseconds)
        peaks[which] = found.peakBytes
      }
    const [mine, theirs] = [median(times[0]), median(times[1])]
    log(`${title}: ${mine.toFixed(2)} ms, jax-js ${theirs.toFixed(2)} ms`)
    const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
    return atLeast(figure, theirs / mine, TARGET, {
      note:
        `${mine.toFixed(2)} against ${theirs.toFixed(2)} ms, readback included, medians of ${TURNS} alternating turns; dispatches ${own.dispatches} against ${other.dispatches}; ` +
        `most bytes of buffers ${mib(peaks[0]!)} against ${mib(peaks[1]!)} MiB; ${own.runtime}; ${other.runtime}`,
    })
  } catch (error) {
    return unavailable(figure, `≥ ${TARGET}`, error)
  } finally {
    for (const page of pages) await page.close()
  }
}
