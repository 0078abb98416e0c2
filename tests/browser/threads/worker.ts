import { joinThreads } from '@tesserae/tensor/parallel'
import type { ThreadOrder, ThreadResult } from './main.js'

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<ThreadOrder>) => void; postMessage(result: ThreadResult): void }

scope.onmessage = async ({ data: { seat, stays } }) => {
  const group = joinThreads(seat, { deadlineMs: 5000 })
  const sum = Float32Array.from({ length: 400_000 }, (_, i) => Math.fround(Math.sin(i) / (group.rank + 3)))
  try {
    await group.allReduce(sum)
    scope.postMessage({ rank: group.rank, sums: [...sum.subarray(0, 3), sum.at(-1)!] })
    if (stays) return // until the page ends it
    await group.barrier()
    await group.close()
    scope.postMessage({ rank: group.rank, end: 'closed' })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    scope.postMessage({ rank: group.rank, end: `${code}: ${message}` })
  }
}
