import { setTimeout as sleep } from 'node:timers/promises'

type Work = () => unknown

interface TimingOptions {
  /** Untimed calls first. Default 3. */
  readonly warmup?: number
  /** Timed calls. Default 20. */
  readonly runs?: number
  /** Milliseconds of quiet before each call, for threads of the one before that go on looking for work. Default none. */
  readonly rest?: number
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Milliseconds of one call of `work`, awaited. */
export async function timeOnce(work: Work): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Median milliseconds of a call. */
export async function medianTime(work: Work, { warmup = 3, runs = 20 }: TimingOptions = {}): Promise<number> {
  for (let i = 0; i < warmup; i++) await work()
  const times: number[] = []
  for (let i = 0; i < runs; i++) times.push(await timeOnce(work))
  return median(times)
}

/**
 * Milliseconds of several pieces of work that take turns, round by round, so that whatever else the machine does falls on all of them alike.
 * The order turns round each time, so that none always runs on the caches another left.
 */
export async function timesInTurns<Name extends string>(
  works: Record<Name, Work>,
  { warmup = 3, runs = 20, rest = 0 }: TimingOptions = {},
): Promise<readonly Record<Name, number>[]> {
  const names = Object.keys(works) as Name[]
  const rounds: Record<Name, number>[] = []
  for (let i = 0; i < warmup + runs; i++) {
    const round: Partial<Record<Name, number>> = {}
    for (const name of i % 2 === 0 ? names : names.toReversed()) {
      if (rest > 0) await sleep(rest)
      round[name] = await timeOnce(works[name])
    }
    if (i >= warmup) rounds.push(round as Record<Name, number>)
  }
  return rounds
}

/** Medians of {@link timesInTurns}. */
export async function compareTimes<Name extends string>(works: Record<Name, Work>, options?: TimingOptions): Promise<Record<Name, number>> {
  const rounds = await timesInTurns(works, options)
  const names = Object.keys(works) as Name[]
  return Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => round[name]))])) as Record<Name, number>
}
