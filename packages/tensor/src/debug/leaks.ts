import type { DeviceBuffer } from '../device/device.js'
import type { TensorType } from '../graph/node.js'
import { printShape } from '../shape.js'
import { debugLevel, debugLog } from './log.js'

/** A tensor that holds device memory. */
export interface LiveTensor {
  /** dtype and shape, as in `f32[2, 3]`. */
  readonly type: string
  readonly bytes: number
  /** Name of the device that holds it. */
  readonly device: string
  /** Where it was made: the lines of a stack, innermost first, from the first one outside this package. */
  readonly madeAt: readonly string[]
}

export interface LeakReport {
  /** Largest first. */
  readonly tensors: readonly LiveTensor[]
  /** Sum over the tensors. */
  readonly bytes: number
  /** One tensor a line, with the line that made it. */
  toString(): string
}

const live = new Set<TrackedMemory>()

/** A stack as text. */
export type Place = string

/**
 * Where the program is, while debugging is on (level 1 or more): a stack costs microseconds. Taken where a call comes in,
 * since what it makes is made later, from a stack that no longer leads to it.
 */
export function currentPlace(): Place | undefined {
  if (debugLevel() < 1) return undefined
  const errors = Error as { stackTraceLimit?: number }
  const before = errors.stackTraceLimit
  errors.stackTraceLimit = 40
  const { stack } = new Error('here')
  if (before !== undefined) errors.stackTraceLimit = before
  return stack ?? ''
}

/** The record of one storage's memory while debugging. It does not reach the storage, which may be collected. */
export class TrackedMemory {
  private readonly type: string
  private readonly stack: Place
  private bytes = 0
  private device = ''

  constructor(type: TensorType, place: Place) {
    this.type = `${type.dtype}${printShape(type.shape)}`
    this.stack = place
  }

  begin(buffer: DeviceBuffer): void {
    this.bytes = buffer.bytes
    this.device = buffer.device.name
    live.add(this)
  }

  end(): void {
    live.delete(this)
  }

  describe(): LiveTensor {
    return { type: this.type, bytes: this.bytes, device: this.device, madeAt: callers(this.stack) }
  }
}

/** A record for a new storage, while debugging is on. */
export function trackMemory(type: TensorType, place = currentPlace()): TrackedMemory | undefined {
  return place === undefined ? undefined : new TrackedMemory(type, place)
}

/** Says which tensor the garbage collector had to clean up after. */
export function reportCollected(memory: TrackedMemory): void {
  memory.end()
  debugLog(1, () => {
    const { type, bytes, device, madeAt } = memory.describe()
    return `a tensor ${type} (${bytes} bytes on ${device}) was collected without dispose(); made ${madeAt[0] ?? 'at an unknown place'}`
  })
}

/**
 * The tensors that hold device memory now, with the place that made each. Only those are known that were made while
 * debugging was on (`DEBUG=1` or `setDebug(1)`). Call it where everything should be gone; what is left was not disposed.
 */
export function leakReport(): LeakReport {
  const tensors = [...live].map((memory) => memory.describe()).sort((a, b) => b.bytes - a.bytes)
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0)
  const lines = tensors.map(
    ({ type, bytes: size, device, madeAt }) => `${type}, ${size} bytes on ${device}, made ${madeAt[0] ?? 'at an unknown place'}`,
  )
  return {
    tensors,
    bytes,
    toString: () => [`${tensors.length} ${tensors.length === 1 ? 'tensor holds' : 'tensors hold'} ${bytes} bytes`, ...lines].join('\n'),
  }
}

/** The package's own folder, as stacks name it; its tests lie in it, and are callers like any other. */
const ownFolder = decodeURIComponent(new URL('..', import.meta.url).pathname)
const isOwn = (frame: string): boolean => frame.includes(ownFolder) && !frame.includes('.test.')

/** The frames from the first one outside the package on; all of them where a bundle has mixed everything. */
function callers(stack: string): string[] {
  const frames = stack
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at ') && !line.includes('node:internal/'))
  const first = frames.findIndex((frame) => !isOwn(frame))
  return frames.slice(Math.max(0, first))
}
