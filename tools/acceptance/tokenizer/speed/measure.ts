import type { Contestant } from './contestants.js'

/** MB per CPU-second of a text. */
export interface Speed {
  readonly contestant: string
  readonly text: string
  /** Of an encoder that has seen no text. */
  readonly empty: number
  /** Of later calls. */
  readonly warm: number
  /** Bytes measured: slow ones get the beginning of the text only. */
  readonly bytes: number
  readonly count: number
}

const LONGEST_MS = 600
const PROBE = 50_000

/** Speeds of every contestant on every text. They take turns, so that whatever else the machine does falls on all alike; the best of the rounds counts. */
export function measureSpeeds(contestants: readonly Contestant[], texts: Readonly<Record<string, string>>, rounds: number): Speed[] {
  const speeds: Speed[] = []
  for (const [text, whole] of Object.entries(texts)) {
    const runs = contestants.map((contestant) => {
      // Also brings the code to its final speed on another stretch of text.
      const encode = contestant.fresh()
      const probe = whole.slice(-PROBE)
      let seconds = 0
      for (let i = 0; i < 3; i++) seconds = cpuSeconds(() => encode(probe))
      const length = Math.min(whole.length, Math.ceil((PROBE * LONGEST_MS) / 1000 / seconds))
      return { contestant, input: takenBy(encode, whole.slice(0, length)), empty: Infinity, warm: Infinity, count: 0 }
    })
    for (let round = 0; round < rounds; round++) {
      for (const run of round % 2 === 0 ? runs : runs.toReversed()) {
        const encode = run.contestant.fresh()
        run.empty = Math.min(
          run.empty,
          cpuSeconds(() => (run.count = encode(run.input).length)),
        )
        for (let i = 0; i < 2; i++)
          run.warm = Math.min(
            run.warm,
            cpuSeconds(() => encode(run.input)),
          )
      }
    }
    for (const { contestant, input, empty, warm, count } of runs) {
      const bytes = Buffer.byteLength(input)
      speeds.push({ contestant: contestant.name, text, empty: bytes / 1e6 / empty, warm: bytes / 1e6 / warm, bytes, count })
    }
  }
  return speeds
}

/** The text, or as much of its beginning as an encoder takes: some pass every token of a long text as an argument of one call, and overflow the stack. */
function takenBy(encode: (text: string) => unknown, text: string): string {
  try {
    encode(text)
    return text
  } catch (error) {
    if (!(error instanceof RangeError) || text.length <= PROBE) throw error
    return takenBy(encode, text.slice(0, text.length / 2))
  }
}

export function cpuSeconds(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const used = process.cpuUsage(before)
  return (used.user + used.system) / 1e6
}
