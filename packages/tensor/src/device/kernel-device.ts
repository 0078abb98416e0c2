/** What the devices that run kernels have in common: counts of what they hold, and a dispatch's grid and numbers. */
import type { Dispatch } from '../compile/dispatches.js'
import { TensorError } from '../errors.js'
import { resolveIndex, type SymValues } from '../shape.js'
import type { DeviceBuffer, DeviceCaps, DeviceMemory } from './device.js'

/** Kernels hold every dtype but f64, and write where they are told to. */
export const kernelDeviceCaps: DeviceCaps = {
  dtypes: ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'],
  alias: true,
  outputsInPlace: true,
  threads: 1,
  background: true,
}

/** Counts buffers by the bytes that were asked for, and programs. */
export class MemoryCount {
  programs = 0
  private bytes = 0
  private buffers = 0
  private peak = 0

  add(bytes: number): void {
    this.bytes += bytes
    this.buffers++
    this.peak = Math.max(this.peak, this.bytes)
  }
  remove(bytes: number): void {
    this.bytes -= bytes
    this.buffers--
  }
  get now(): DeviceMemory {
    return { liveBytes: this.bytes, liveBuffers: this.buffers, peakBytes: this.peak, programs: this.programs }
  }
}

/** Kernels reach memory in words. */
export const wholeWords = (bytes: number): number => Math.max(4, Math.ceil(bytes / 4) * 4)

/** @throws TensorError `VALUE` when the bytes do not fit */
export function checkWrite(buffer: DeviceBuffer, bytes: Uint8Array): void {
  if (bytes.byteLength > buffer.bytes)
    throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
}

/** @throws TensorError `VALUE` when the buffer has no such part */
export function checkRead(buffer: DeviceBuffer, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
    throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
}

/** Workgroups that a dispatch takes. */
export const workgroupsOf = (dispatch: Dispatch, values: SymValues): number =>
  Math.ceil(dispatch.threads(values) / dispatch.kernel.workgroup[0])

/** More workgroups than one axis holds go on along the second, as kernels of elements count them. */
export function gridOf(workgroups: number, most: number): readonly [x: number, y: number] {
  const along = Math.min(workgroups, most)
  return [along, along === 0 ? 0 : Math.ceil(workgroups / along)]
}

/** Writes what a kernel's numbers are in this run, from the word `at` on. */
export function writeNumbers(words: Uint32Array, at: number, dispatch: Dispatch, values: SymValues): void {
  dispatch.symbols.forEach((symbol, i) => (words[at + i] = resolveIndex(symbol, values)))
}
