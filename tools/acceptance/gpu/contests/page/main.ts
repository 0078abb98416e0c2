/** One side of a contest in a page of its own, by calls from the row: `startContest`, then `runContest` for so many runs. Or a training by `trainInTab`. */
import type { ContestName, ForwardSide, Side, Work } from '../contest.js'
import { countWebGpu } from '../counted.js'
import { trainInTab } from '../training-tab.js'

const counts = countWebGpu()
let work: Work

const sides = {
  tesserae: async () => (await import('../tesserae.js')).tesserae(),
  'jax-js': async () => (await import('../jax-js.js')).jaxJs(),
  'onnxruntime-web': async () => (await import('../onnxruntime-web.js')).onnxRuntimeWeb(),
} satisfies Record<string, () => Promise<Side | ForwardSide>>
export type SideName = keyof typeof sides

export interface Started {
  readonly runtime: string
  readonly sample: readonly number[]
  /** Of one run. */
  readonly dispatches: number
}

Object.assign(globalThis, {
  async startContest(name: SideName, contest: ContestName): Promise<Started> {
    const side: Side<never> & { readonly works: Partial<Side['works']> } = await sides[name]()
    const { runtime, works } = side
    const make = works[contest]
    if (make === undefined) throw new Error(`${runtime} has no part in ${contest}`)
    work = make()
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
  trainInTab: (file: string, steps: number) => trainInTab(file, steps, counts),
})
