/** A contestant: `CONTESTANT MODEL.gguf decode|prefill CONTEXT [node-llama-cpp's folder]`, which answers each number on its input by the milliseconds of so many tokens, or prompts, and its peak memory. */
import { createInterface } from 'node:readline'
import { peakMiB } from '../../lib/peak.js'

/** Ids of an arbitrary text, of which no two begin alike: nothing that is kept of an earlier one helps. */
export const promptOf = (tokens: number, number: number): number[] =>
  Array.from({ length: tokens }, (_, i) => 1000 + (((i + 1) * 7919 + number * 104_729) % 40_000))

export type Work = { readonly runtime: string } & (
  | {
      /** Computes one token, or a prompt. */
      readonly step: () => Promise<void>
    }
  | {
      /** Computes several and says how long each took. */
      readonly steps: (count: number) => Promise<readonly number[]>
    }
)

/** Tokens, or prompts, before any is timed: JavaScript's compilers have seen the loop by then. */
const warm = process.argv[3] === 'prefill' ? 3 : 48

/** Tokens of each turn before any is timed: the caches of the processor hold what the other was at, for three tokens or so. Whoever reads a prompt in each turn has that for it. */
const again = process.argv[3] === 'prefill' ? 0 : 4

/** Answers requests until the input ends. */
export async function answer(work: Work): Promise<void> {
  const steps =
    'steps' in work
      ? work.steps
      : async (count: number) => {
          for (let i = 0; i < again; i++) await work.step()
          return timedOneByOne(work.step, count)
        }
  await steps(warm)
  const say = (more: object): void => console.log(JSON.stringify({ ...more, peakMiB: peakMiB() }))
  say({ ready: true, runtime: work.runtime })
  for await (const line of createInterface({ input: process.stdin })) say({ milliseconds: await steps(Number(line)) })
  process.exit(0)
}

async function timedOneByOne(step: () => Promise<void>, count: number): Promise<number[]> {
  const milliseconds: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await step()
    milliseconds.push(performance.now() - start)
  }
  return milliseconds
}
