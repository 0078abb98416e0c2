// What the contests share: peers from a folder, turns, and tables.
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** One side of a contest. What it returns beside times is printed as it is. */
export interface Side {
  readonly name: string
  /** Turns it takes, where it is too slow for all. */
  readonly turns?: number
  /** Undefined for a peer that is not installed. */
  readonly run:
    | (() => Promise<{ readonly ms: Readonly<Record<string, number>>; readonly quality?: Readonly<Record<string, string>> }>)
    | undefined
}

/** A module of `folder`, or of this repository without one; undefined where it is not installed. `file` names one that its manifest does not. */
export async function peer<Module>(folder: string | undefined, name: string, file = ''): Promise<Module | undefined> {
  try {
    const resolve = createRequire(folder === undefined ? import.meta.url : path.resolve(folder, 'package.json')).resolve
    return (await import(pathToFileURL(resolve(name + file)).href)) as Module
  } catch {
    return undefined
  }
}

/** Milliseconds of some work. */
export async function time(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

/** Lets the sides take turns and prints the median times, each beside how many times ours it is; the first side is ours. */
export async function contest(title: string, sides: readonly Side[], rounds: number): Promise<void> {
  const times = new Map<string, Record<string, number>[]>()
  const quality = new Map<string, Readonly<Record<string, string>>>()
  for (let round = 0; round < rounds; round++)
    for (const { name, run, turns = rounds } of round % 2 === 0 ? sides : sides.toReversed()) {
      if (run === undefined || round >= turns) continue
      const result = await run()
      times.set(name, [...(times.get(name) ?? []), { ...result.ms }])
      quality.set(name, result.quality ?? {})
    }
  const mediansOf = (name: string): Record<string, number> => {
    const all = times.get(name) ?? []
    return Object.fromEntries(Object.keys(all[0] ?? {}).map((key) => [key, median(all.map((one) => one[key]!))]))
  }
  const ours = mediansOf(sides[0]!.name)
  console.log(`\n${title}: ms, and times ours (medians of ${rounds} turns)`)
  console.table(
    Object.fromEntries(
      sides.map(({ name, run }) => [
        name,
        run === undefined
          ? { note: 'not installed' }
          : {
              ...Object.fromEntries(
                Object.entries(mediansOf(name)).map(([key, ms]) => [key, `${ms.toPrecision(3)} (${(ms / ours[key]!).toFixed(2)}×)`]),
              ),
              ...quality.get(name),
            },
      ]),
    ),
  )
}
