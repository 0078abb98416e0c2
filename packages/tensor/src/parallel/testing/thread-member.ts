/** What the threads of the tests run: some calls, and then the end that rank 1 is told to find. */
import { parentPort } from 'node:worker_threads'
import { threadGroup } from '../node/run-threads.js'

export type Fate = 'well' | 'throws' | 'rejects' | 'exits' | 'forgets' | 'hangs'

const { group, data } = threadGroup<{ readonly fate: Fate }>({ deadlineMs: 20_000 })
const { fate } = data
const sum = Float32Array.from({ length: 300_000 }, (_, i) => Math.fround(Math.sin(i) / (group.rank + 3)))
await group.allReduce(sum)
parentPort?.postMessage([...sum.subarray(0, 3), sum.reduce((total, value) => total + value, 0)])
if (group.rank === 1) {
  if (fate === 'throws') setTimeout(() => fail('thrown later'))
  if (fate === 'rejects') fail('rejected')
  if (fate === 'exits') process.exit(3)
  if (fate === 'hangs') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
// Without a call after it, a thread that ended unseen would be nobody's loss.
if (fate === 'forgets' && group.rank === 1) parentPort?.postMessage('forgotten')
else {
  await group.barrier()
  await group.close()
}

function fail(message: string): never {
  throw new RangeError(message)
}
