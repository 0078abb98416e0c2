/** One rank of the MPI tests: makes every call once, then what the second argument says: 'well', 'killed' (rank 1 dies), 'stopped' (rank 1 hangs) or 'throws'. */
import { PeerError } from '../../errors.js'
import { mpiGroup } from '../node/mpi/group.js'
import { beginRank, reportRank } from './rank.js'

export interface MemberReport {
  readonly rank: number
  readonly size: number
  readonly description: string
  readonly sums: Readonly<Record<'f32' | 'f64' | 'i32', readonly number[]>>
  readonly large: readonly number[]
  readonly max: readonly number[]
  readonly min: readonly number[]
  readonly gathered: readonly number[]
  readonly bytes: readonly number[]
  readonly part: readonly number[]
  readonly told: readonly number[]
  /** Turns of the event loop while the large array was under way. */
  readonly turns: number
  readonly failure?: {
    readonly code: string
    readonly ranks: readonly number[]
    readonly problem: string
    readonly message: string
    readonly ms: number
  }
  readonly second?: string
}

const [folder, fate] = process.argv.slice(2) as [string, string]
const group = await mpiGroup({ deadlineMs: 10_000 })
const { rank, size } = group
beginRank(folder, rank)
const second = await mpiGroup().then(
  () => 'a second group',
  (error: Error) => error.message,
)

const sums = {
  f32: Float32Array.of(0.5 + rank, 1e6, -rank),
  f64: Float64Array.of(2 ** -40, rank),
  i32: new Int32Array(new SharedArrayBuffer(8)),
}
sums.i32.set([2 ** 30, rank - 5])
const large = new Float32Array(1_500_000).fill(rank + 1)
const [max, min] = [Float32Array.of(rank, -rank), Int32Array.of(rank, -rank)]
// Part of a larger array, at an offset.
const told = new Float32Array(6).fill(rank).subarray(2, 5)
let turns = 0
const clock = setInterval(() => turns++, 1)
await Promise.all([
  ...Object.values(sums).map((data) => group.allReduce(data)),
  group.allReduce(large),
  group.allReduce(max, { op: 'max' }),
  group.allReduce(min, { op: 'min' }),
  group.broadcast(told, { root: size - 1 }),
])
clearInterval(clock)
await group.allReduce(new Float32Array(0))
const gathered = await group.allGather(Float64Array.of(rank, rank + 0.5))
const bytes = await group.allGather(Uint8Array.of(rank, 200))
const part = await group.reduceScatter(Int32Array.from({ length: 2 * size }, (_, i) => i * (rank + 1)))
await group.barrier()
const numbers = (values: Iterable<number>): number[] => [...values]
const report: MemberReport = {
  rank,
  size,
  description: group.description,
  sums: { f32: numbers(sums.f32), f64: numbers(sums.f64), i32: numbers(sums.i32) },
  large: [large[0]!, large.at(-1)!],
  max: numbers(max),
  min: numbers(min),
  gathered: numbers(gathered),
  bytes: numbers(bytes),
  part: numbers(part),
  told: numbers(told),
  turns,
  second,
}

if (fate === 'well') {
  await group.close()
  reportRank(folder, rank, report)
} else if (rank === 1) {
  if (fate === 'throws') throw new RangeError('no more data')
  process.kill(process.pid, fate === 'killed' ? 'SIGKILL' : 'SIGSTOP')
} else {
  const start = performance.now()
  const error: unknown = await group.allReduce(new Float32Array(1000), { deadlineMs: 1000 }).catch((reason: unknown) => reason)
  const ms = performance.now() - start
  await group.close()
  const failure =
    error instanceof PeerError
      ? { code: error.code, ranks: error.ranks, problem: error.problem, message: error.message, ms }
      : { message: String(error) }
  reportRank(folder, rank, { ...report, failure })
  process.exit(1)
}
