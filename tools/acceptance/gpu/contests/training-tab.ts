/** The tiny GPT of nanoGPT's recipe trained in a page itself, not in a worker, as someone would who has read no more than the documentation of `train`. */
import { resolveDevice } from '@tesserae/tensor'
import { shakespeareOf, startTraining } from '../../foundation/shakespeare/model.js'
import type { Counts } from './counted.js'

export interface TabStep {
  readonly milliseconds: number
  readonly loss: number
  readonly dispatches: number
  /** Longest time for which the page came to nothing else, in milliseconds. */
  readonly longestGap: number
  /** Frames that the page drew meanwhile. */
  readonly frames: number
}

export interface TabTraining {
  readonly runtime: string
  readonly steps: readonly TabStep[]
  readonly peakBytes: number
}

export async function trainInTab(file: string, steps: number, counts: Counts): Promise<TabTraining> {
  const response = await fetch(file)
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`)
  const data = shakespeareOf(await response.text())
  const device = await resolveDevice('webgpu')
  const page = watchPage()
  const found: TabStep[] = []
  using run = startTraining(data, 1, { device })
  let [dispatches, start] = [counts.dispatches, performance.now()]
  page.next()
  for await (const { loss } of run) {
    found.push({ milliseconds: performance.now() - start, loss, dispatches: counts.dispatches - dispatches, ...page.next() })
    if (found.length === steps) break
    dispatches = counts.dispatches
    start = performance.now()
  }
  page.end()
  return { runtime: device.description, steps: found, peakBytes: counts.peakBytes }
}

/** Looks how often the page gets its turn: a timer each 4 ms, the shortest that a page has, and frames. */
function watchPage() {
  let [last, longestGap, frames, ended] = [performance.now(), 0, 0, false]
  const look = (): void => {
    const now = performance.now()
    longestGap = Math.max(longestGap, now - last)
    last = now
  }
  const timer = setInterval(look, 4)
  const frame = (): void => {
    frames++
    if (!ended) requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
  return {
    /** What was seen since the last call. */
    next() {
      look()
      const seen = { longestGap, frames }
      longestGap = frames = 0
      return seen
    },
    end() {
      ended = true
      clearInterval(timer)
    },
  }
}
