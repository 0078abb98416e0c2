/** Frozen weights one behind the other, for programs that read several as one. Programs over the same weights share them; their pages lie in a file and can be dropped like those of the weights themselves. */
import type { Block, BufferPool, OnnxBuffer } from './buffers.js'

interface Joined {
  readonly parts: readonly Block[]
  readonly buffer: OnnxBuffer
  users: number
}

export class JoinedWeights {
  private readonly byFirst = new Map<Block, Joined[]>()

  constructor(private readonly pool: BufferPool) {}

  /** The parts' bytes, of each as many as `bytes` says. Given back once for each time that it was taken. */
  take(parts: readonly Block[], bytes: readonly number[]): Block {
    const known = this.byFirst.get(parts[0]!) ?? []
    let joined = known.find((one) => one.parts.length === parts.length && one.parts.every((part, i) => part === parts[i]))
    if (joined === undefined) {
      joined = { parts, buffer: this.make(parts, bytes), users: 0 }
      for (const part of parts) part.pins++
      this.byFirst.set(parts[0]!, [...known, joined])
    }
    joined.users++
    return joined.buffer.block!
  }

  giveBack(block: Block): void {
    for (const [first, all] of this.byFirst) {
      const joined = all.find(({ buffer }) => buffer.block === block)
      if (joined === undefined) continue
      if (--joined.users > 0) return
      const others = all.filter((one) => one !== joined)
      if (others.length > 0) this.byFirst.set(first, others)
      else this.byFirst.delete(first)
      for (const part of joined.parts) this.pool.unpin(part)
      return this.pool.release(joined.buffer)
    }
  }

  private make(parts: readonly Block[], bytes: readonly number[]): OnnxBuffer {
    const all = new Uint8Array(bytes.reduce((a, b) => a + b))
    let at = 0
    for (const [i, part] of parts.entries()) {
      all.set(part.view.subarray(0, bytes[i]), at)
      at += bytes[i]!
      part.drop?.()
    }
    const kept = this.pool.keep(all)
    if (kept !== undefined) return kept
    const buffer = this.pool.alloc(all.byteLength)
    buffer.block!.view.set(all)
    return buffer
  }
}
