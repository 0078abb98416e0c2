/** Whether what a program keeps fits on a device, told before anything of it is allocated. */
import { TensorError } from '../errors.js'
import type { Device, DeviceRoom } from './device.js'

export interface TensorBytes {
  readonly name: string
  /** Bytes, as held on the device. */
  readonly bytes: number
  /** Its memory is there already: it is not added up, and only held against the limit of one tensor. */
  readonly present?: boolean
}

/** Tensors by what they are for: `{ weights: […], cache: […] }`. */
export type MemoryNeed = Readonly<Record<string, Iterable<TensorBytes>>>

export interface MemoryEstimate {
  /** Bytes by what they are for, without those that are there already. */
  readonly parts: readonly TensorBytes[]
  readonly total: number
  readonly largest: TensorBytes | undefined
  /** What the device tells of its memory; `undefined` when it tells nothing. */
  readonly room: DeviceRoom | undefined
  /** Why it cannot fit, with the numbers; `undefined` when nothing known speaks against it. */
  readonly refusal: string | undefined
}

/**
 * Adds up what is to be kept on a device and compares it with what the device tells of its memory.
 *
 * A lower bound: what programs need while they run (intermediate values, and on the CPU weights that ONNX Runtime packs once more
 * for itself) comes on top, so what passes may still run out of memory, and what is refused does not fit. Free memory is that of this moment,
 * and WebGPU tells none: there only the limit of one tensor is known.
 */
export function estimateMemory(need: MemoryNeed, device: Device): MemoryEstimate {
  let largest: TensorBytes | undefined
  const parts = Object.entries(need).map(([name, tensors]) => {
    let sum = 0
    for (const each of tensors) {
      if (each.present !== true) sum += each.bytes
      if (largest === undefined || each.bytes > largest.bytes) largest = each
    }
    return { name, bytes: sum }
  })
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const room = device.room?.()
  return { parts, total, largest, room, refusal: room === undefined ? undefined : refusalOf(device, parts, total, largest, room) }
}

/** {@link estimateMemory}, for whoever is about to allocate. Errors: OUT_OF_MEMORY with the numbers, when it cannot fit. */
export function checkMemory(need: MemoryNeed, device: Device): MemoryEstimate {
  const estimate = estimateMemory(need, device)
  if (estimate.refusal !== undefined) throw new TensorError('OUT_OF_MEMORY', estimate.refusal)
  return estimate
}

function refusalOf(
  device: Device,
  parts: readonly TensorBytes[],
  total: number,
  largest: TensorBytes | undefined,
  { free, largestTensor, source }: DeviceRoom,
): string | undefined {
  const tooLarge = largest !== undefined && largestTensor !== undefined && largest.bytes > largestTensor
  const tooMuch = free !== undefined && total > free
  if (!tooLarge && !tooMuch) return undefined
  const some = parts.some(({ bytes }) => bytes > 0)
  const needed = (some ? parts.filter(({ bytes }) => bytes > 0) : parts).map(({ name, bytes }) => `${showBytes(bytes)} for ${name}`)
  const together = needed.length > 1 ? `, ${showBytes(total)} together` : ''
  const has = free === undefined ? '' : `; the device has ${showBytes(free)} free`
  const most =
    largest === undefined || largestTensor === undefined
      ? ''
      : `; the largest tensor, '${largest.name}', takes ${showBytes(largest.bytes)} (${largest.bytes} bytes), and the device holds at most ${showBytes(largestTensor)} (${largestTensor} bytes) in one`
  const advice =
    tooLarge && !tooMuch ? 'Use a device with a larger limit' : 'Use a smaller model, batch or cache, or a device with more memory'
  return `needs ${needed.join(' + ')}${together}, on ${device.description}${has}${most} (${source}). ${advice}`
}

/** Three digits and a binary unit. */
export function showBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || Number.isInteger(value) ? value : value.toPrecision(value >= 1000 ? 4 : 3)} ${units[unit]!}`
}
