import type { Device } from '../device/device.js'
import { defaultDevice } from '../device/default.js'
import { setActiveProfile } from './profile-sink.js'

export interface ProfileRow {
  /** The operation. */
  readonly op: string
  readonly calls: number
  /** Total time in milliseconds. */
  readonly ms: number
  /** Share of the time of all rows, 0 to 1. */
  readonly share: number
}

export interface Profile<T> {
  readonly result: T
  /** Time per op, dearest first. */
  readonly rows: readonly ProfileRow[]
  /** Wall time of the whole in milliseconds. */
  readonly ms: number
  /** Most bytes of buffers held at once, so far in the device's life. The runtime's own arena comes on top. */
  readonly peakBytes: number
  /** The rows as an aligned table. */
  toString(): string
}

/**
 * Runs a function and reports time per op for every program that it ran. Profiling slows short programs; compare
 * rows with each other rather than with an unprofiled run.
 */
export async function profile<T>(fn: () => Promise<T>, options: { readonly device?: Device } = {}): Promise<Profile<T>> {
  const totals = new Map<string, { calls: number; ms: number }>()
  const before = setActiveProfile(({ name, ms }) => {
    const row = totals.get(name) ?? { calls: 0, ms: 0 }
    totals.set(name, { calls: row.calls + 1, ms: row.ms + ms })
  })
  const start = performance.now()
  try {
    const result = await fn()
    const ms = performance.now() - start
    const sum = [...totals.values()].reduce((total, row) => total + row.ms, 0)
    const rows = [...totals].map(([op, row]) => ({ op, ...row, share: sum === 0 ? 0 : row.ms / sum })).sort((a, b) => b.ms - a.ms)
    const peakBytes = (options.device ?? (await defaultDevice())).memory().peakBytes
    return { result, rows, ms, peakBytes, toString: () => table(rows, ms, peakBytes) }
  } finally {
    setActiveProfile(before)
  }
}

/** A kernel may work out dozens of operations, whose names make a line that no terminal holds. */
const longestName = 60

/** `reduceSum_reduceSum_add` as `reduceSum×2_add`, cut where that is still too long. */
function shortName(op: string): string {
  const runs: { readonly name: string; count: number }[] = []
  for (const name of op.split('_')) {
    const last = runs.at(-1)
    if (last?.name === name) last.count++
    else runs.push({ name, count: 1 })
  }
  const short = runs.map(({ name, count }) => (count === 1 ? name : `${name}×${count}`)).join('_')
  return short.length > longestName ? `${short.slice(0, longestName - 1)}…` : short
}

function table(rows: readonly ProfileRow[], ms: number, peakBytes: number): string {
  const width = Math.max(4, ...rows.map(({ op }) => shortName(op).length))
  const lines = rows.map(
    (row) =>
      `${shortName(row.op).padEnd(width)} ${String(row.calls).padStart(7)} ${row.ms.toFixed(3).padStart(10)} ${(row.share * 100).toFixed(1).padStart(6)} %`,
  )
  return [
    `${'op'.padEnd(width)} ${'calls'.padStart(7)} ${'ms'.padStart(10)} ${'share'.padStart(8)}`,
    ...lines,
    `${ms.toFixed(1)} ms in all, at most ${(peakBytes / 2 ** 20).toFixed(1)} MiB in buffers`,
  ].join('\n')
}
