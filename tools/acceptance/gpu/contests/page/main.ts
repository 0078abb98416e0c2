/** One side of a contest in a page of its own, by calls from the row: `startContest`, then `runContest` for so many runs. */
import type { ContestName, Work } from '../contest.js'
import { countWebGpu } from '../counted.js'

const counts = countWebGpu()
let work: Work

export interface Started {
  readonly runtime: string
  readonly sample: readonly number[]
  /** Of one run. */
  readonly dispatches: number
}

Object.assign(globalThis, {
  async startContest(side: 'tesserae' | 'jax-js', contest: ContestName): Promise<Started> {
    const { runtime, works } =
      side === 'tesserae' ? await (await import('../tesserae.js')).tesserae() : await (await import('../jax-js.js')).jaxJs()
    work = works[contest]()
    const sample = [...Array.from(await work()).slice(0, 2048)]
    for (let i = 0; i < 3; i++) await work()
    const before = counts.dispatches
    await work()
    return { runtime, sample, dispatches: counts.dispatches - before }
  },
  async runContest(runs: number): Promise<{ milliseconds: number[]; peakBytes: number }> {
    const milliseconds: number[] = []
    for (let i = 0; i < runs; i++) {
      const start = performance.now()
      await work()
      milliseconds.push(performance.now() - start)
    }
    return { milliseconds, peakBytes: counts.peakBytes }
  },
})
