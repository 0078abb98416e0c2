/**
 * Records of tensors across ranks. Values are read from the device and exchanged in buckets: while one is on its way, the tensors of the next are read. (After X. Li et al., "PyTorch
 * Distributed: Experiences on Accelerating Data Parallel Training", 2020; here the gradients of a step come out of one compiled program all at once, so that there is reading to overlap
 * with, and no computing.)
 */
import { tensor, fromBytes } from '../create.js'
import { TensorError } from '../errors.js'
import { realize } from '../handle.js'
import { Tensor } from '../tensor.js'
import { forEachLeaf, mapTree } from '../tree.js'
import { agreeOn } from './agree.js'
import type { GroupArray, GroupCallOptions, ProcessGroup, ReduceOp } from './group.js'

export interface BucketOptions extends GroupCallOptions {
  /** Bytes exchanged in one call; default 25 MiB, as torch's DistributedDataParallel has it. A tensor of more is a bucket of its own. */
  readonly bucketBytes?: number
}

export interface ReduceTensorsOptions extends BucketOptions {
  /** Default 'sum'. */
  readonly op?: ReduceOp
}

const defaultBucketBytes = 25 * 2 ** 20

/** Tensors that travel together, of one type. */
interface Bucket {
  readonly parts: { readonly path: string; readonly values: GroupArray; readonly like: Tensor }[]
  bytes: number
}

/**
 * Combines the tensors of all ranks, place by place, and returns the results, nested alike, on the host until a device asks for them. What is passed is taken over: it is disposed as soon as it has been read.
 * f16 and bf16 are added up in f32. Errors: as the group's calls, and what reading throws; DTYPE for other types than f32, f16, bf16, f64 and i32; VALUE.
 */
export async function allReduceTensors<T>(group: ProcessGroup, tensors: T, options: ReduceTensorsOptions = {}): Promise<T> {
  const { op = 'sum', bucketBytes = defaultBucketBytes, ...call } = options
  checkBucketBytes('allReduceTensors', bucketBytes)
  const leaves = leavesOf(tensors)
  for (const [path, { dtype }] of leaves)
    if (!reducible.has(dtype))
      throw new TensorError(
        'DTYPE',
        `allReduceTensors: ${path || 'the tensor'} is ${dtype}; expected one of ${[...reducible].join(', ')}: cast it`,
      )
  const done = new Map<string, Tensor>()
  let under: Promise<void> = Promise.resolve()
  // Kept until it is awaited: a rejection while the next bucket is being read is nobody's but ours.
  const send = (bucket: Bucket): void => {
    const before = under
    under = (async () => {
      await before
      await reduceBucket(group, bucket, { op, ...call }, done)
    })()
    under.catch(() => undefined)
  }
  try {
    await realize([...leaves.values()])
    let bucket: Bucket = { parts: [], bytes: 0 }
    for (const [path, like] of leaves) {
      const values = (await like.data()) as GroupArray
      like.dispose()
      const mixed = bucket.parts.length > 0 && bucket.parts[0]!.values.constructor !== values.constructor
      if (bucket.bytes > 0 && (mixed || bucket.bytes + values.byteLength > bucketBytes)) {
        send(bucket)
        bucket = { parts: [], bytes: 0 }
      }
      bucket.parts.push({ path, values, like })
      bucket.bytes += values.byteLength
    }
    if (bucket.bytes > 0) send(bucket)
    await under
    for (const { path, values, like } of bucket.bytes > 0 ? [] : bucket.parts) done.set(path, remake(values, like))
  } catch (error) {
    await under.catch(() => undefined)
    for (const result of done.values()) result.dispose()
    for (const leaf of leaves.values()) leaf.dispose()
    throw error
  }
  return mapTree(tensors, (leaf, path) => done.get(path) ?? leaf) as T
}

async function reduceBucket(
  group: ProcessGroup,
  { parts, bytes }: Bucket,
  options: ReduceTensorsOptions,
  done: Map<string, Tensor>,
): Promise<void> {
  const [first] = parts as [Bucket['parts'][number]]
  if (parts.length === 1) await group.allReduce(first.values, options)
  else {
    const Type = first.values.constructor as new (length: number) => GroupArray
    const joint = new Type(bytes / first.values.BYTES_PER_ELEMENT)
    let at = 0
    for (const { values } of parts) {
      joint.set(values, at)
      at += values.length
    }
    await group.allReduce(joint, options)
    at = 0
    for (const { values } of parts) {
      values.set(joint.subarray(at, at + values.length))
      at += values.length
    }
  }
  for (const { path, values, like } of parts) done.set(path, remake(values, like))
}

const remake = (values: GroupArray, { dtype, shape }: Tensor): Tensor =>
  tensor(values, { dtype, shape: shape as readonly number[], adopt: true })

const reducible: ReadonlySet<string> = new Set(['f32', 'f16', 'bf16', 'f64', 'i32'])

/**
 * Gives all ranks one rank's values, bit for bit. On the root the tensors themselves are returned; elsewhere they are disposed, and new ones of the root's values take their place. Shapes and types have to
 * agree already, see {@link agreeOnTensors}. Errors: as the group's calls.
 */
export async function broadcastTensors<T>(
  group: ProcessGroup,
  tensors: T,
  options: BucketOptions & { readonly root?: number } = {},
): Promise<T> {
  const { root = 0, bucketBytes = defaultBucketBytes, ...call } = options
  checkBucketBytes('broadcastTensors', bucketBytes)
  const done = new Map<string, Tensor>()
  const leaves = leavesOf(tensors)
  try {
    await realize([...leaves.values()])
    for (const [path, leaf] of leaves) {
      const bytes = await leaf.bytes()
      for (let start = 0; start < bytes.length; start += bucketBytes)
        await group.broadcast(bytes.subarray(start, start + bucketBytes), { root, ...call })
      if (group.rank === root) continue
      done.set(path, await inPlaceOf(leaf, bytes))
      leaf.dispose()
    }
  } catch (error) {
    for (const result of done.values()) result.dispose()
    throw error
  }
  return mapTree(tensors, (leaf, path) => done.get(path) ?? leaf) as T
}

/** A tensor of these values on the device of another. */
async function inPlaceOf({ dtype, shape, device }: Tensor, bytes: Uint8Array): Promise<Tensor> {
  const made = fromBytes(bytes, { dtype, shape: shape as readonly number[], adopt: true })
  if (device === undefined) return made
  using host = made
  return await host.to(device)
}

/** {@link agreeOn} for the names, types and shapes of a record of tensors; `facts` are added to them. */
export function agreeOnTensors(
  group: ProcessGroup,
  about: string,
  tensors: unknown,
  options: GroupCallOptions & { readonly facts?: ReadonlyMap<string, string> } = {},
): Promise<void> {
  const { facts = [], ...call } = options
  const shapes = [...leavesOf(tensors)].map(([path, leaf]) => [path, leaf.describe()] as const)
  return agreeOn(group, about, new Map([...shapes, ...facts]), call)
}

/** The tensors of a record by dotted path; other leaves stay what they are. */
function leavesOf(tensors: unknown): Map<string, Tensor> {
  const leaves = new Map<string, Tensor>()
  forEachLeaf(tensors, (leaf, path) => {
    if (leaf instanceof Tensor) leaves.set(path, leaf)
  })
  return leaves
}

function checkBucketBytes(call: string, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < 8)
    throw new TensorError('VALUE', `${call}: bucketBytes must be an integer of at least 8, got ${bytes}`)
}
