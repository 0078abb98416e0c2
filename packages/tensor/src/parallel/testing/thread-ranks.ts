/** Groups of which every rank runs in this thread, and what came of each. */
import type { ProcessGroup } from '../group.js'
import { joinThreads, threadSeats } from '../threads.js'

/** What each of `size` ranks does; their groups are closed afterwards, whatever came of it. */
export async function threadRanks<T>(size: number, work: (group: ProcessGroup) => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  const groups = threadSeats(size).map((seat) => joinThreads(seat, { deadlineMs: 20_000 }))
  const results = await Promise.allSettled(groups.map(work))
  await Promise.allSettled(groups.map((group) => group.close()))
  return results
}

/** What a rank gave. @throws what it threw */
export function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

/** What a rank threw. */
export const errorOf = (result: PromiseSettledResult<unknown>): unknown => (result.status === 'rejected' ? result.reason : 'no error')
