// Bar 3: side by side with jax-js, then with onnxruntime-web's WebGPU, on one software adapter, each in a page of its own, by turns. Times include reading the
// result back. Beside them a training in a tab.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { buildPage } from '../../../../tests/browser/build-page.js'
import { findChromium, launchChromium, noChromium, softwareWebGpu } from '../../../../tests/browser/chromium.js'
import { serveFolders } from '../../../../tests/browser/server.js'
import { sharedData } from '../../../../tests/browser/webgpu-page.js'
import { dataFile } from '../../lib/data.js'
import { atLeast, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { median } from '../../lib/timing.js'
import type { ContestName } from '../contests/contest.js'
import type { SideName, Started } from '../contests/page/main.js'
import type { TabTraining } from '../contests/training-tab.js'

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

const TAB_STEPS = 20
const REPORTED = 'reported'

interface ContestPage {
  startContest(side: SideName, contest: ContestName): Promise<Started>
  runContest(runs: number): Promise<{ milliseconds: number[]; peakBytes: number }>
  trainInTab(file: string, steps: number): Promise<TabTraining>
}
type Log = (line: string) => void

const source: RowSource = async ({ log }) => {
  const executable = findChromium()
  if (executable === undefined) return unavailable('WebGPU beside jax-js', `≥ ${TARGET}`, noChromium)
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-contest-'))
  await buildPage(folder, new URL('../contests/page', import.meta.url))
  await using server = await serveFolders({ folders: { '/': folder, '/data/': sharedData }, isolated: true })
  const browser = await launchChromium(executable, softwareWebGpu)
  try {
    const rows: Row[] = []
    for (const bar of bars) rows.push(await compare(bar, jaxJs, browser, server.origin, log))
    // It does not train.
    for (const bar of bars) if (bar.contest !== 'step') rows.push(await compare(bar, onnxRuntimeWeb, browser, server.origin, log))
    rows.push(...(await tab(browser, server.origin, log)))
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

interface Peer {
  readonly side: SideName
  readonly title: string
  /** How many times as fast we have to be; a peer without is only reported. */
  readonly target?: number
  readonly turns: number
  /** Runs in a turn. */
  readonly runs: number
}

const jaxJs: Peer = { side: 'jax-js', title: 'jax-js', target: TARGET, turns: 8, runs: 4 }
/** In software a product takes it seconds, so it has fewer turns. */
const onnxRuntimeWeb: Peer = { side: 'onnxruntime-web', title: "onnxruntime-web's WebGPU", turns: 4, runs: 2 }

async function compare({ contest, title, tolerance }: Bar, peer: Peer, browser: Browser, origin: string, log: Log): Promise<Row> {
  const figure = `${title} on WebGPU, times as fast as ${peer.title}`
  const target = peer.target === undefined ? REPORTED : `≥ ${peer.target}`
  const pages = [await open(browser, origin), await open(browser, origin)] as const
  const start = (which: 0 | 1, side: SideName): Promise<Started> =>
    pages[which].evaluate(([name, work]) => (globalThis as unknown as ContestPage).startContest(name, work), [side, contest] as const)
  try {
    const own = await start(0, 'tesserae')
    let other: Started
    try {
      other = await start(1, peer.side)
    } catch (error) {
      if (peer.target !== undefined) throw error
      return row(figure, target, 'not measured', true, `it does not start here: ${firstLine(error)}`)
    }
    const worst = Math.max(...own.sample.map((value, i) => Math.abs(value - other.sample[i]!)))
    if (own.sample.length !== other.sample.length || !(worst <= tolerance))
      return unavailable(figure, target, `the two results differ by ${worst}`)
    const times: [number[], number[]] = [[], []]
    const peaks: [number, number] = [0, 0]
    for (let turn = 0; turn < peer.turns; turn++)
      for (const which of turn % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const found = await pages[which].evaluate((runs) => (globalThis as unknown as ContestPage).runContest(runs), peer.runs)
        times[which].push(...found.milliseconds)
        peaks[which] = found.peakBytes
      }
    const [mine, theirs] = [median(times[0]), median(times[1])]
    log(`${title}: ${mine.toFixed(2)} ms, ${peer.title} ${theirs.toFixed(2)} ms`)
    const note =
      `${mine.toFixed(2)} against ${theirs.toFixed(2)} ms, readback included, medians of ${peer.turns} alternating turns; dispatches ${own.dispatches} against ${other.dispatches}; ` +
      `most bytes of buffers ${mebibytes(peaks[0])} against ${mebibytes(peaks[1])} MiB; ${own.runtime}; ${other.runtime}`
    if (peer.target !== undefined) return atLeast(figure, theirs / mine, peer.target, { note })
    return row(figure, target, (theirs / mine).toFixed(2), true, `${note}; results differ by at most ${worst.toExponential(1)}`)
  } catch (error) {
    return unavailable(figure, target, error)
  } finally {
    for (const page of pages) await page.close()
  }
}

/** Steps of the tiny GPT by `train` in a page that nobody else uses. The first step compiles, so it stands apart. */
async function tab(browser: Browser, origin: string, log: Log): Promise<Row[]> {
  const time = `a training step of the tiny GPT (4 layers, width 128, 12 x 64 characters) in a tab, ms`
  const learning = `it learns: loss over ${TAB_STEPS} steps in the tab`
  try {
    dataFile('tinyshakespeare.txt')
    const page = await open(browser, origin)
    try {
      const { runtime, steps, peakBytes } = await page.evaluate(
        (count) => (globalThis as unknown as ContestPage).trainInTab('/data/tinyshakespeare.txt', count),
        TAB_STEPS,
      )
      const [first, ...later] = steps as [TabTraining['steps'][number], ...TabTraining['steps']]
      const losses = steps.map(({ loss }) => loss)
      log(`in a tab: losses ${losses.map((loss) => loss.toFixed(3)).join(' ')}`)
      const each = median(later.map(({ milliseconds }) => milliseconds))
      const gap = Math.max(...later.map(({ longestGap }) => longestGap))
      const frames = later.reduce((sum, step) => sum + step.frames, 0)
      const seconds = later.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000
      const note =
        `median of ${later.length}; the first, with compiling, ${first.milliseconds.toFixed(0)} ms; ${later.at(-1)!.dispatches} dispatches a step; most bytes of buffers ${mebibytes(peakBytes)} MiB; ` +
        `the page's longest wait for its turn ${gap.toFixed(0)} ms (${first.longestGap.toFixed(0)} in the first step), ${(frames / seconds).toFixed(0)} frames a second meanwhile; ${runtime}`
      const [start, end] = [losses[0]!, losses.at(-1)!]
      return [
        row(time, REPORTED, each.toFixed(0), Number.isFinite(each), note),
        row(learning, 'falls', `${start.toFixed(3)} to ${end.toFixed(3)}`, losses.length === TAB_STEPS && end < start),
      ]
    } finally {
      await page.close()
    }
  } catch (error) {
    return [unavailable(time, REPORTED, error), unavailable(learning, 'falls', error)]
  }
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^page\.evaluate: /, '').split('\n')[0]!
