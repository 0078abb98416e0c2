import { TensorError } from '../errors.js'
import type { Calls, Turn } from './calls.js'
import type { GroupArray, GroupBytes, ProcessGroup, ReduceOp, ReduceOptions } from './group.js'

/** How data gets from rank to rank. Each method runs on all ranks at the same time, with arguments that agree. */
export interface Transfers {
  allReduce(data: GroupArray, op: ReduceOp, turn: Turn): Promise<void>
  /** `into` has the length of one part. */
  reduceScatter(data: GroupArray, into: GroupArray, op: ReduceOp, turn: Turn): Promise<void>
  /** `into` has the length of all parts. */
  allGather(data: GroupBytes, into: GroupBytes, turn: Turn): Promise<void>
  broadcast(data: GroupBytes, root: number, turn: Turn): Promise<void>
  /** `whole` says that nothing has failed. */
  close(whole: boolean): void
}

const names = new Map<unknown, string>([
  [Float32Array, 'f32'],
  [Float64Array, 'f64'],
  [Int32Array, 'i32'],
  [Uint8Array, 'u8'],
])
const longest = 2 ** 31 - 1

/** The public face of a group: checks arguments, and gives each call the words that all ranks have to agree on. */
export function makeGroup(calls: Calls, transfers: Transfers, description: string): ProcessGroup {
  const { rank, size } = calls
  return {
    rank,
    size,
    description,
    async allReduce(data, options = {}) {
      const { op = 'sum' } = options
      const name = checkArray('allReduce', data, true)
      await calls.run(`allReduce ${checkOp('allReduce', op)} ${name} × ${data.length}`, options, (turn) =>
        transfers.allReduce(data, op, turn),
      )
    },
    async reduceScatter<T extends GroupArray>(data: T, options: ReduceOptions = {}): Promise<T> {
      const { op = 'sum' } = options
      const name = checkArray('reduceScatter', data, true)
      if (data.length % size !== 0)
        throw new TensorError(
          'VALUE',
          `reduceScatter: ${data.length} elements cannot be parted equally among ${size} ranks; expected a multiple of ${size}`,
        )
      const into = makeLike(data, data.length / size)
      await calls.run(`reduceScatter ${checkOp('reduceScatter', op)} ${name} × ${data.length}`, options, (turn) =>
        transfers.reduceScatter(data, into, op, turn),
      )
      return into
    },
    async allGather<T extends GroupBytes>(data: T, options = {}): Promise<T> {
      const name = checkArray('allGather', data, false)
      const into = makeLike(data, data.length * size)
      await calls.run(`allGather ${name} × ${data.length}`, options, (turn) => transfers.allGather(data, into, turn))
      return into
    },
    async broadcast(data, options = {}) {
      const { root = 0 } = options
      const name = checkArray('broadcast', data, false)
      if (!Number.isInteger(root) || root < 0 || root >= size)
        throw new TensorError('VALUE', `broadcast: root must be a rank of the group, 0 to ${size - 1}, got ${root}`)
      await calls.run(`broadcast from ${root} ${name} × ${data.length}`, options, (turn) => transfers.broadcast(data, root, turn))
    },
    async barrier(options = {}) {
      await calls.run('barrier', options, () => undefined)
    },
    abort: (reason) => calls.abort(reason),
    close: (options = {}) => calls.close(options, (whole) => transfers.close(whole)),
  }
}

/** The dtype's name. Errors: VALUE. */
function checkArray(call: string, data: GroupBytes, computes: boolean): string {
  // Node's Buffer is a Uint8Array as well.
  const name = names.get(data?.constructor) ?? (data instanceof Uint8Array ? 'u8' : undefined)
  if (name === undefined || (computes && name === 'u8')) {
    const expected = ['Float32Array', 'Float64Array', 'Int32Array', ...(computes ? [] : ['Uint8Array'])].join(', ')
    throw new TensorError('VALUE', `${call}: expected one of ${expected}, got ${describe(data)}`)
  }
  if (data.length > longest)
    throw new TensorError('VALUE', `${call}: at most 2^31 − 1 elements in one call, got ${data.length}; pass it in parts`)
  return name
}

function checkOp(call: string, op: ReduceOp): ReduceOp {
  if (op !== 'sum' && op !== 'max' && op !== 'min')
    throw new TensorError('VALUE', `${call}: op must be 'sum', 'max' or 'min', got ${JSON.stringify(op)}`)
  return op
}

function makeLike<T extends GroupBytes>(data: T, length: number): T {
  const Type = (data instanceof Uint8Array ? Uint8Array : data.constructor) as new (length: number) => T
  if (length > longest)
    throw new TensorError('VALUE', `allGather: the result would have ${length} elements, at most 2^31 − 1 are possible; pass it in parts`)
  return new Type(length)
}

const describe = (value: unknown): string =>
  typeof value === 'object' && value !== null ? ((value.constructor as { name?: string } | undefined)?.name ?? 'an object') : String(value)
