/** A contestant: `CONTESTANT MODEL.gguf decode|prefill CONTEXT [node-llama-cpp's folder]`, which answers each number on its input by the milliseconds of so many tokens, or prompts, and its peak memory. */
import { createInterface } from 'node:readline'

/** Ids of an arbitrary text, of which no two begin alike: nothing that is kept of an earlier one helps. */
export const promptOf = (tokens: number, number: number): number[] =>
  Array.from({ length: tokens }, (_, i) => 1000 + (((i + 1) * 7919 + number * 104_729) % 40_000))

export interface Work {
  readonly runtime: string
  /** Computes one token, or a prompt. */
  readonly step: () => Promise<void>
}

/** Answers requests until the input ends. */
export async function answer({ runtime, step }: Work): Promise<void> {
  for (let i = 0; i < 3; i++) await step()
  const say = (more: object): void => console.log(JSON.stringify({ ...more, peakMiB: process.resourceUsage().maxRSS / 1024 }))
  say({ ready: true, runtime })
  for await (const line of createInterface({ input: process.stdin })) {
    const milliseconds: number[] = []
    for (let i = 0; i < Number(line); i++) {
      const start = performance.now()
      await step()
      milliseconds.push(performance.now() - start)
    }
    say({ milliseconds })
  }
  process.exit(0)
}
