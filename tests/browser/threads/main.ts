/** A page whose workers form a group. */
import { threadSeats, type ThreadSeat } from '@tesserae/tensor/parallel'

export interface ThreadOrder {
  readonly seat: ThreadSeat
  /** Goes no further than the first call. */
  readonly stays: boolean
}

export interface ThreadResult {
  readonly rank: number
  readonly sums?: readonly number[]
  readonly end?: string
}

/** What each rank computed and how it ended. The thread of `lost` is ended after the first call. */
export type RunThreadsOfPage = (
  size: number,
  lost?: number,
) => Promise<{ readonly sums: (readonly number[] | undefined)[]; readonly ends: (string | undefined)[] }>

const run: RunThreadsOfPage = async (size, lost) => {
  const sums: (readonly number[] | undefined)[] = Array.from({ length: size })
  const ends: (string | undefined)[] = Array.from({ length: size })
  const workers = threadSeats(size).map((seat) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    const ended = new Promise<void>((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message))
      worker.onmessage = ({ data }: MessageEvent<ThreadResult>) => {
        if (data.sums !== undefined) sums[data.rank] = data.sums
        if (data.end !== undefined) ends[data.rank] = data.end
        const leaves = data.rank === lost
        if (leaves) worker.terminate()
        if (leaves || data.end !== undefined) resolve()
      }
    })
    const order: ThreadOrder = { seat, stays: seat.rank === lost }
    worker.postMessage(order, [...seat.ports])
    return { worker, ended }
  })
  await Promise.all(workers.map(({ ended }) => ended))
  workers.forEach(({ worker }) => worker.terminate())
  return { sums, ends }
}

;(globalThis as unknown as { runThreads: RunThreadsOfPage }).runThreads = run
