import type { Handle, PinnedMemory } from '../driver.js'

/** Where addresses of the host begin; none of a device is there. */
const HOST_BASE = 2 ** 46

/** Pinned memory of the host, found by addresses, those inside an allocation too. */
export class HostMemory {
  private readonly live = new Map<Handle, Uint8Array>()
  private next = HOST_BASE

  get count(): number {
    return this.live.size
  }

  /** Memory with bits that are no number, as nobody wrote it. */
  alloc(bytes: number): PinnedMemory {
    const memory = { pointer: this.next, bytes: new Uint8Array(bytes).fill(0xff) }
    this.next += Math.ceil(bytes / 4096) * 4096 + 4096
    this.live.set(memory.pointer, memory.bytes)
    return memory
  }

  free(pointer: Handle): boolean {
    return this.live.delete(pointer)
  }

  range(pointer: Handle, bytes: number): Uint8Array | undefined {
    const whole = this.live.get(pointer)
    if (whole !== undefined) return bytes <= whole.length ? whole.subarray(0, bytes) : undefined
    for (const [start, memory] of this.live)
      if (pointer >= start && pointer + bytes <= start + memory.length) return memory.subarray(pointer - start, pointer - start + bytes)
    return undefined
  }
}
