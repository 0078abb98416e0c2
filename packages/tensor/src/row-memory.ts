import type { Device, DeviceBuffer } from './device/device.js'
import { byteSize, type DType } from './dtype.js'
import { elementCount } from './shape.js'
import { Storage } from './storage.js'
import { Tensor } from './tensor.js'

/** Memory of which runs of rows are tensors. */
export interface RowMemory extends Disposable {
  /**
   * Rows `from` … `from` + `count` − 1 as a tensor, [count, ...]. Tensors with rows in common see what programs write into each other: of several that are donated, none may overlap. Whoever asks owns it; the
   * memory stays until all are disposed.
   */
  tensor(from: number, count: number): Tensor
  /** Whether a tensor lies in this memory: a program that is given one does not have to write its result there. */
  holds(tensor: Tensor): boolean
  /** No more tensors are wanted. */
  dispose(): void
}

/**
 * Memory for `rows` tensors of a shape that programs can also take together: caches of sequences that step side by side, of which each has its prompt to itself. What is in it at first is not said.
 * Undefined where the device has no such memory: buffers of most are apart.
 */
export function rowMemory(
  rows: number,
  shape: readonly number[],
  { device, dtype = 'f32' }: { readonly device: Device; readonly dtype?: DType },
): RowMemory | undefined {
  const bytes = elementCount(shape) * byteSize(dtype)
  if (device.overlap === undefined) return undefined
  const whole = device.alloc(rows * bytes)
  const buffers = new WeakSet<DeviceBuffer>()
  const tensor = (from: number, count: number): Tensor | undefined => {
    const buffer = device.overlap!(whole, from * bytes, count * bytes)
    if (buffer === undefined) return undefined
    buffers.add(buffer)
    const storage = new Storage({ shape: [count, ...shape], dtype }, { buffer })
    return new Tensor(storage.value, storage)
  }
  let gone = false
  const dispose = (): void => {
    if (!gone) device.free(whole)
    gone = true
  }
  // Every row begins where memory of its own would be aligned, or none.
  const second = tensor(rows - 1, 1)
  if (second === undefined) return (dispose(), undefined)
  second.dispose()
  const holds = ({ storage }: Tensor): boolean => storage?.buffer !== undefined && buffers.has(storage.buffer)
  return { tensor: (from, count) => tensor(from, count)!, holds, dispose, [Symbol.dispose]: dispose }
}
