import { tensor, type Tensor } from '../index.js'
import { describe, expect, it } from 'vitest'
import { agreeOn } from './agree.js'
import type { GroupArray, ProcessGroup } from './group.js'
import { allReduceTensors, agreeOnTensors, broadcastTensors } from './tensors.js'
import { joinThreads, threadSeats } from './threads.js'

/** All ranks in one thread: ports and shared memory are the same as between threads. */
const together = (size: number, options: { chunkBytes?: number; deadlineMs?: number } = {}): ProcessGroup[] => {
  const { deadlineMs = 5000, ...seats } = options
  return threadSeats(size, seats).map((seat) => joinThreads(seat, { deadlineMs }))
}

const all = <T>(groups: readonly ProcessGroup[], work: (group: ProcessGroup) => Promise<T>): Promise<T[]> => Promise.all(groups.map(work))

async function within<T>(size: number, work: (group: ProcessGroup) => Promise<T>, options = {}): Promise<T[]> {
  const groups = together(size, options)
  const results = await all(groups, work)
  await all(groups, (group) => group.close())
  return results
}

const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => error,
  )

describe('a seat', () => {
  it('that is none is refused', () => {
    const [seat] = threadSeats(2)
    const problemOf = (wrong: unknown): string => {
      try {
        joinThreads(wrong as never)
        return 'none'
      } catch (error) {
        return (error as Error).message.replace(/.*; got /, '')
      }
    }
    expect(problemOf(undefined)).toBe('undefined')
    expect(problemOf({})).toBe('one without rank, size, memory, ports')
    expect(problemOf({ ...seat, ports: [] })).toBe('rank 0 of 2 with 0 ports')
    expect(problemOf({ ...seat, rank: 2 })).toBe('rank 2 of 2 with 1 ports')
  })
})

describe('a group of threads', () => {
  it.each([Float32Array, Float64Array, Int32Array])('combines %o of all ranks in place, in chunks of any size', async (Type) => {
    for (const [size, length] of [
      [1, 5],
      [2, 1],
      [3, 1000],
      [4, 64],
    ] as const) {
      const of = (rank: number): GroupArray => Type.from(Array.from({ length }, (_, i) => (rank + 1) * 3 - i * (rank % 2 === 0 ? 1 : -2)))
      const results = await within(
        size,
        async (group) => {
          const [sum, max, min] = [of(group.rank), of(group.rank), of(group.rank)]
          await Promise.all([group.allReduce(sum), group.allReduce(max, { op: 'max' }), group.allReduce(min, { op: 'min' })])
          return { sum, max, min }
        },
        { chunkBytes: 64 },
      )
      const ranks = Array.from({ length: size }, (_, rank) => of(rank))
      for (const { sum, max, min } of results) {
        expect([...sum]).toEqual(Array.from({ length }, (_, i) => ranks.reduce((total, values) => total + values[i]!, 0)))
        expect([...max]).toEqual(Array.from({ length }, (_, i) => Math.max(...ranks.map((values) => values[i]!))))
        expect([...min]).toEqual(Array.from({ length }, (_, i) => Math.min(...ranks.map((values) => values[i]!))))
      }
    }
  })

  it('wraps sums of integers, and gives all ranks the same bits', async () => {
    const results = await within(3, async (group) => {
      const integers = Int32Array.of(2 ** 31 - 1, -(2 ** 31))
      const floats = Float32Array.of([1e8, 1, -1e8][group.rank]!, 0.1 * (group.rank + 1))
      await group.allReduce(integers)
      await group.allReduce(floats)
      return [...integers, ...floats]
    })
    const expected = [
      (3 * (2 ** 31 - 1)) | 0,
      (-3 * 2 ** 31) | 0,
      1,
      Math.fround(Math.fround(0.1) + Math.fround(0.2) + Math.fround(0.1 * 3)),
    ]
    for (const result of results) expect(result).toEqual(expected)
  })

  it('gathers, parts and broadcasts', async () => {
    const results = await within(
      3,
      async (group) => {
        const gathered = await group.allGather(Float32Array.from({ length: 11 }, (_, i) => group.rank * 100 + i))
        const bytes = await group.allGather(Uint8Array.of(group.rank, 255))
        const part = await group.reduceScatter(Int32Array.from({ length: 51 }, (_, i) => i * (group.rank + 1)))
        const told = Float64Array.from({ length: 20 }, (_, i) => i + group.rank / 10)
        await group.broadcast(told, { root: 2 })
        await group.barrier()
        return { gathered, bytes, part, told }
      },
      { chunkBytes: 24 },
    )
    results.forEach(({ gathered, bytes, part, told }, rank) => {
      expect([...gathered]).toEqual(Array.from({ length: 33 }, (_, i) => Math.floor(i / 11) * 100 + (i % 11)))
      expect([...bytes]).toEqual([0, 255, 1, 255, 2, 255])
      expect([...part]).toEqual(Array.from({ length: 17 }, (_, i) => (rank * 17 + i) * 6))
      expect([...told]).toEqual(Array.from({ length: 20 }, (_, i) => i + 0.2))
    })
  })

  it('names the rank that does not come', async () => {
    const [zero, one, two] = together(3, { deadlineMs: 200 }) as [ProcessGroup, ProcessGroup, ProcessGroup]
    await all([zero, one, two], (group) => group.barrier())
    const errors = await Promise.all([zero, two].map((group) => refusal(group.allReduce(new Float32Array(4)))))
    for (const error of errors)
      expect(error).toMatchObject({
        code: 'PEER',
        problem: 'late',
        ranks: [1],
        message: expect.stringMatching(/call 2, allReduce sum f32 × 4: rank 1 \(last seen at call 1\) did not come within 200 ms/),
      })
    expect(await refusal(one.allReduce(new Float32Array(4)))).toMatchObject({
      code: 'PEER',
      ranks: [expect.any(Number)],
      message: expect.stringContaining('rank 1'),
    })
    await all([zero, one, two], (group) => group.close())
  })

  it('names ranks that make another call, on both sides', async () => {
    const groups = together(2)
    const errors = await Promise.all([
      refusal(groups[0]!.allReduce(new Float32Array(3))),
      refusal(groups[1]!.allReduce(new Float32Array(4))),
    ])
    expect(errors).toMatchObject([
      { code: 'PEER', problem: 'differs', ranks: [1] },
      { code: 'PEER', problem: 'differs', ranks: [0] },
    ])
    expect(String(errors[0])).toContain('call 1 of rank 1 is allReduce sum f32 × 4, that of rank 0 is allReduce sum f32 × 3')
    await all(groups, (group) => group.close())
  })

  it('passes on why a rank has left, at once and for good', async () => {
    const groups = together(3)
    const waiting = [0, 2].map((rank) => refusal(groups[rank]!.barrier()))
    groups[1]!.abort(new RangeError('no more data'))
    for (const error of await Promise.all(waiting))
      expect(error).toMatchObject({
        code: 'PEER',
        problem: 'gave-up',
        ranks: [1],
        message: expect.stringContaining('RangeError: no more data'),
      })
    expect(await refusal(groups[0]!.barrier())).toMatchObject({ ranks: [1] })
    expect(await refusal(groups[1]!.barrier())).toMatchObject({ ranks: [1] })
    await all(groups, (group) => group.close())
  })

  it('ends by a signal, for the others too', async () => {
    const groups = together(2)
    const controller = new AbortController()
    const pending = refusal(groups[0]!.barrier({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await pending).toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: { message: 'enough' } })
    expect(await refusal(groups[1]!.barrier())).toMatchObject({
      code: 'PEER',
      ranks: [0],
      message: expect.stringContaining('its call of barrier was aborted by a signal'),
    })
    // A signal that was aborted before is no call yet.
    const [alone] = together(1) as [ProcessGroup]
    expect(await refusal(alone.barrier({ signal: controller.signal }))).toMatchObject({ code: 'ABORTED' })
    await alone.barrier()
    await all([...groups, alone], (group) => group.close())
  })

  it('is closed by all, and then refuses', async () => {
    const groups = together(2)
    const closing = groups.map((group) => group.close())
    expect(await refusal(groups[0]!.barrier())).toMatchObject({ code: 'DISPOSED' })
    await Promise.all(closing)
    expect(await refusal(groups[1]!.barrier())).toMatchObject({ code: 'DISPOSED' })
    const others = together(2, { deadlineMs: 100 })
    expect(await refusal(others[0]!.close())).toMatchObject({ code: 'PEER', ranks: [1], problem: 'late' })
  })

  it('refuses bad arguments and goes on', async () => {
    const [group] = together(1) as [ProcessGroup]
    const attempts: [Promise<unknown>, RegExp][] = [
      [group.allReduce(new Uint8Array(2) as never), /expected one of Float32Array, Float64Array, Int32Array, got Uint8Array/],
      [group.allReduce([1] as never), /got Array/],
      [group.allReduce(new Float32Array(1), { op: 'mean' as never }), /op must be/],
      [group.broadcast(new Float32Array(1), { root: 1 }), /root must be a rank of the group, 0 to 0, got 1/],
      [group.barrier({ deadlineMs: 0 }), /deadlineMs must be above 0/],
    ]
    for (const [attempt, message] of attempts)
      expect(await refusal(attempt)).toMatchObject({ code: 'VALUE', message: expect.stringMatching(message) })
    const pair = together(2)
    expect(await refusal(pair[0]!.reduceScatter(new Int32Array(3)))).toMatchObject({ code: 'VALUE' })
    await all([group, ...pair], (one) => one.barrier())
    await all([group, ...pair], (one) => one.close())
    expect(() => threadSeats(0)).toThrow('size must be')
    expect(() => threadSeats(2, { chunkBytes: 12 })).toThrow('multiple of 8')
  })
})

describe('records of tensors', () => {
  it('are added up across ranks in buckets, whatever their types', async () => {
    const record = (rank: number): { a: Tensor; deep: Tensor[]; kept: string } => ({
      a: tensor([[1 + rank, 2]]),
      deep: [
        tensor([0.5, rank], { dtype: 'f16' }),
        tensor(Int32Array.of(7, rank)),
        tensor(Float32Array.from({ length: 40 }, (_, i) => i * rank)),
        tensor([], { shape: [0] }),
      ],
      kept: 'as it is',
    })
    for (const bucketBytes of [8, 64, 2 ** 20]) {
      const results = await within(2, async (group) => {
        const given = record(group.rank)
        const sum = await allReduceTensors(group, given, { bucketBytes })
        expect(given.a.disposed).toBe(true)
        return sum
      })
      for (const { a, deep, kept } of results) {
        expect(await a.toArray()).toEqual([[3, 4]])
        expect(deep.map(({ dtype }) => dtype)).toEqual(['f16', 'i32', 'f32', 'f32'])
        expect(await deep[0]!.toArray()).toEqual([1, 1])
        expect(await deep[1]!.toArray()).toEqual([14, 1])
        expect(await deep[2]!.toArray()).toEqual(Array.from({ length: 40 }, (_, i) => i))
        expect(deep[3]!.shape).toEqual([0])
        expect(kept).toBe('as it is')
      }
    }
  })

  it('are read on while the first bucket is still under way', async () => {
    const [zero, one] = together(2) as [ProcessGroup, ProcessGroup]
    const record = (): Tensor[] => Array.from({ length: 3 }, (_, i) => tensor([i, 1]))
    const given = record()
    let through = false
    const first = allReduceTensors(zero, given, { bucketBytes: 8 }).finally(() => (through = true))
    while (!given.every(({ disposed }) => disposed)) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(through).toBe(false)
    const sums = await Promise.all([first, allReduceTensors(one, record(), { bucketBytes: 8 })])
    for (const sum of sums) expect(await Promise.all(sum.map((leaf) => leaf.toArray()))).toEqual([0, 1, 2].map((i) => [2 * i, 2]))
    await all([zero, one], (group) => group.close())
  })

  it('are free again when the exchange fails', async () => {
    const [zero, one] = together(2) as [ProcessGroup, ProcessGroup]
    const given = { a: tensor([1, 2]), b: tensor([3]) }
    one.abort('gone home')
    expect(await refusal(allReduceTensors(zero, given, { bucketBytes: 8 }))).toMatchObject({ code: 'PEER', ranks: [1] })
    expect([given.a.disposed, given.b.disposed]).toEqual([true, true])
    expect(await refusal(allReduceTensors(zero, { a: tensor([true]) }))).toMatchObject({
      code: 'DTYPE',
      message: expect.stringContaining('a is bool'),
    })
    await all([zero, one], (group) => group.close())
  })

  it('are broadcast bit for bit', async () => {
    const results = await within(2, async (group) => {
      const given = { w: tensor([1.5, NaN, -group.rank], { dtype: 'bf16' }), on: tensor([group.rank === 1]) }
      return { given, got: await broadcastTensors(group, given, { root: 1, bucketBytes: 8 }) }
    })
    const [zero, one] = results as [(typeof results)[0], (typeof results)[0]]
    expect(one.got.w).toBe(one.given.w)
    expect(zero.given.w.disposed).toBe(true)
    expect(await zero.got.w.bytes()).toEqual(await one.got.w.bytes())
    expect(await zero.got.on.toArray()).toEqual([1])
  })

  it('are compared, the first difference named on all ranks', async () => {
    const errors = await within(3, async (group) => {
      await agreeOnTensors(group, 'train', { w: tensor([1, 2]) }, { facts: new Map([['steps', '3']]) })
      await agreeOn(group, 'train', new Map([['a', '1']]))
      const late = refusal(agreeOnTensors(group, 'train', { w: tensor([1]), b: group.rank === 2 ? tensor([1, 2]) : tensor([[1]]) }))
      return [await late, await refusal(agreeOn(group, 'train', group.rank === 1 ? new Map() : new Map([['bias', 'f32[2]']])))]
    })
    for (const [shape, missing] of errors) {
      expect(shape).toMatchObject({
        code: 'PEER',
        problem: 'differs',
        ranks: [2],
        message: expect.stringMatching(/b is f32\[2\] on rank 2 and f32\[1, ?1\] on rank 0/),
      })
      expect(missing).toMatchObject({ ranks: [1], message: expect.stringContaining('bias is absent on rank 1') })
    }
  })
})
