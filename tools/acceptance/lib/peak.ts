import { readFileSync } from 'node:fs'

/** Most bytes of memory that a process has had at once, as Linux says. */
export const peakOfProcess = (process: number | 'self'): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${process}/status`, 'utf8'))![1]) * 1024

/**
 * Most bytes of memory that this process has had at once. What `resourceUsage` says is the most of whoever started it, where that was more: Linux counts what a process had before it became another program.
 */
export function peakBytes(): number {
  try {
    return peakOfProcess('self')
  } catch {
    return process.resourceUsage().maxRSS * 1024 // elsewhere than on Linux
  }
}

export const peakMiB = (): number => peakBytes() / 2 ** 20
