/** Runs a translated kernel: every thread of every block, in an order of one's choice, stopping at the first thing that is wrong. */
import { approximations, library, type Approximations } from './arithmetic.js'
import { LANES, Warp, type CollectiveContext } from './collectives.js'
import { DEVICE_BASE, type DeviceMemory } from './device-memory.js'
import { KernelFault, type FaultKind } from './fault.js'
import { SharedMemory } from './shared-memory.js'
import type { Checks, TranslatedKernel } from './translation.js'

/** In which order threads and blocks run where nothing tells them to wait. */
export type ThreadOrder = 'forward' | 'reverse' | 'random'

export interface MachineOptions {
  readonly order: ThreadOrder
  readonly seed: number
  readonly checks: Checks
  readonly approximations: 'rounded' | 'perturbed'
  /** Turns of all loops of one thread, beyond which it counts as endless. */
  readonly maxTurns: number
}

export interface Launch {
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number, number]
  readonly dynamicSharedBytes: number
  readonly parameters: readonly number[]
}

type Triple = readonly [number, number, number]
type Thread = (t: number, tx: number, ty: number, tz: number, bx: number, by: number, bz: number, warp: Warp) => unknown

interface Copy {
  readonly to: number
  readonly from: number
  readonly bytes: number
  readonly size: number
  readonly line: number
}

const NO_WARP: readonly Warp[] = [new Warp(0, LANES)]

const RUNS = 0
const AT_BARRIER = 1
const IN_WARP = 2
const ENDED = 3

const factories = new WeakMap<TranslatedKernel, (machine: unknown) => Thread>()

/** @throws KernelFault */
export function runKernel(kernel: TranslatedKernel, memory: DeviceMemory, launch: Launch, options: MachineOptions): void {
  new Machine(kernel, memory, launch, options).run()
}

class Machine {
  // What the translated text names, shortly.
  readonly U8: Uint8Array
  readonly U16: Uint16Array
  readonly I32: Int32Array
  readonly F32: Float32Array
  readonly ST8: Uint8Array
  readonly ST16: Uint16Array
  readonly ST32: Int32Array
  readonly SH: SharedMemory
  readonly SH8: Uint8Array
  readonly SH16: Uint16Array
  readonly SHI: Int32Array
  readonly SHF: Float32Array
  readonly P: readonly number[]
  readonly A: Approximations
  readonly library = library
  readonly nx: number
  readonly ny: number
  readonly nz: number
  readonly gx: number
  readonly gy: number
  readonly gz: number
  readonly maxTurns: number
  /** The line at which each thread waits for the others. */
  readonly waiting: Int32Array
  private readonly threads: number
  private readonly states: Uint8Array
  private readonly warps: readonly Warp[]
  private current: Triple = [0, 0, 0]
  /** Copies under way of each thread that made some. */
  private readonly groups = new Map<number, { open: Copy[]; readonly closed: Copy[][] }>()
  private random: number
  private readonly orders = new Map<number, Int32Array>()

  constructor(
    private readonly kernel: TranslatedKernel,
    private readonly memory: DeviceMemory,
    launch: Launch,
    private readonly options: MachineOptions,
  ) {
    const { buffer } = memory.bytes
    this.U8 = memory.bytes
    this.U16 = new Uint16Array(buffer)
    this.I32 = new Int32Array(buffer)
    this.F32 = new Float32Array(buffer)
    this.ST8 = memory.state
    this.ST16 = new Uint16Array(memory.state.buffer)
    this.ST32 = new Int32Array(memory.state.buffer)
    const { checks } = options
    this.SH = new SharedMemory(
      kernel.shared,
      launch.dynamicSharedBytes,
      kernel.granule,
      { races: checks.races, uninitialised: checks.shared },
      (kind, line, thread, message) => this.fail(kind, line, thread, message),
    )
    this.SH8 = this.SH.bytes
    this.SH16 = new Uint16Array(this.SH.bytes.buffer)
    this.SHI = new Int32Array(this.SH.bytes.buffer)
    this.SHF = new Float32Array(this.SH.bytes.buffer)
    this.SH8.fill(0xff)
    this.P = launch.parameters
    this.A = approximations(options.approximations)
    ;[this.nx, this.ny, this.nz] = launch.block
    ;[this.gx, this.gy, this.gz] = launch.grid
    this.maxTurns = options.maxTurns
    this.threads = this.nx * this.ny * this.nz
    this.waiting = new Int32Array(this.threads)
    // A kernel whose threads do nothing together has no use of them.
    const warps = Math.ceil(this.threads / LANES)
    this.warps = kernel.cooperative
      ? Array.from({ length: warps }, (_, i) => new Warp(i * LANES, Math.min(LANES, this.threads - i * LANES)))
      : NO_WARP
    this.states = new Uint8Array(this.threads)
    this.random = options.seed | 0
  }

  run(): void {
    let factory = factories.get(this.kernel)
    if (factory === undefined) {
      // oxlint-disable-next-line no-new-func -- the text is what this emulator made of a kernel that this package printed
      factory = new Function('M', this.kernel.source) as (machine: unknown) => Thread
      factories.set(this.kernel, factory)
    }
    const thread = factory(this)
    const count = this.gx * this.gy * this.gz
    for (const block of this.ordered(count)) {
      this.current = [block % this.gx, Math.floor(block / this.gx) % this.gy, Math.floor(block / (this.gx * this.gy))]
      this.SH.beginBlock()
      this.groups.clear()
      if (this.kernel.cooperative) this.runTogether(thread)
      else this.runApart(thread)
    }
  }

  private runApart(thread: Thread): void {
    const warp = this.warps[0]!
    const [bx, by, bz] = this.current
    const { nx, ny } = this
    for (const t of this.ordered(this.threads)) {
      if (nx === this.threads) thread(t, t, 0, 0, bx, by, bz, warp)
      else thread(t, t % nx, Math.floor(t / nx) % ny, Math.floor(t / (nx * ny)), bx, by, bz, warp)
    }
  }

  private runTogether(thread: Thread): void {
    const [bx, by, bz] = this.current
    const { warps } = this
    for (const warp of warps) warp.at.fill(0)
    this.states.fill(RUNS)
    const running = Array.from({ length: this.threads }, (_, t) => {
      const [x, y, z] = this.placeOf(t)
      return thread(t, x, y, z, bx, by, bz, warps[t >> 5]!) as Generator<number, void>
    })
    for (let left = this.threads; ;) {
      for (const t of this.ordered(this.threads)) {
        if (this.states[t] !== RUNS) continue
        const { done, value } = running[t]!.next()
        this.states[t] = done === true ? ENDED : value
        if (done === true) left--
      }
      if (left === 0) return
      const met = warps.map((warp) => this.meet(warp)).some(Boolean)
      if (!met && !this.passBarrier(left)) this.stuck(warps)
    }
  }

  /** Does what all lanes of a mask wait for, if there is such. */
  private meet(warp: Warp): boolean {
    let met = false
    for (let lane = 0; lane < warp.count; lane++) {
      const at = warp.at[lane]!
      if (at === 0 || this.states[warp.first + lane] !== IN_WARP) continue
      const collective = this.kernel.collectives[at - 1]!
      const mask = collective.gathers ? this.lanesAt(warp, at) : warp.masks[lane]!
      const fail = (other: number, message: string): never => this.fail('warp', collective.line, warp.first + other, message)
      if (((mask >>> lane) & 1) === 0) fail(lane, `the mask 0x${(mask >>> 0).toString(16)} is without the lane itself`)
      let complete = true
      for (let other = 0; other < LANES; other++) {
        if (((mask >>> other) & 1) === 0) continue
        const state = other < warp.count ? this.states[warp.first + other]! : ENDED
        if (state === ENDED)
          fail(lane, `waits for lane ${other}, which ${other < warp.count ? 'has ended' : 'is not there: the block has no more threads'}`)
        if (state !== IN_WARP || warp.at[other] !== at || (!collective.gathers && warp.masks[other] !== mask)) complete = false
      }
      if (!complete) continue
      const context: CollectiveContext = { shared: this.SH, halves: this.SH16, fail }
      collective.run(warp, mask, context)
      for (let other = 0; other < LANES; other++) {
        if (((mask >>> other) & 1) === 0) continue
        warp.at[other] = 0
        this.states[warp.first + other] = RUNS
      }
      met = true
    }
    return met
  }

  private lanesAt(warp: Warp, at: number): number {
    let mask = 0
    for (let lane = 0; lane < warp.count; lane++) if (warp.at[lane] === at && this.states[warp.first + lane] === IN_WARP) mask |= 1 << lane
    return mask
  }

  private passBarrier(left: number): boolean {
    if (left !== this.threads || this.states.some((state) => state !== AT_BARRIER)) return false
    const other = this.waiting.findIndex((line) => line !== this.waiting[0])
    if (other >= 0)
      this.fail(
        'barrier',
        this.waiting[0]!,
        0,
        `waits at the barrier of line ${this.waiting[0]}, thread ${other} at that of line ${this.waiting[other]}`,
      )
    this.SH.barrier()
    this.states.fill(RUNS)
    return true
  }

  private stuck(warps: readonly Warp[]): never {
    const describe = (t: number): string => {
      const state = this.states[t]
      if (state === ENDED) return 'has ended'
      if (state === AT_BARRIER) return `waits at the barrier of line ${this.waiting[t]}`
      const { line, text } = this.kernel.collectives[warps[t >> 5]!.at[t & 31]! - 1]!
      return `waits at line ${line} ('${text}')`
    }
    const first = this.states.findIndex((state) => state !== ENDED)
    const other = this.states.findIndex((state, t) => state !== this.states[first] || (state !== ENDED && describe(t) !== describe(first)))
    const state = this.states[first]
    const line = state === AT_BARRIER ? this.waiting[first]! : this.kernel.collectives[warps[first >> 5]!.at[first & 31]! - 1]!.line
    return this.fail(
      state === AT_BARRIER && this.states.every((each) => each === ENDED || each === AT_BARRIER) ? 'barrier' : 'warp',
      line,
      first,
      `nothing goes on: this thread ${describe(first)}${other < 0 ? '' : `, thread ${other} ${describe(other)}`}`,
    )
  }

  // What the translated text calls.

  fail(kind: FaultKind, line: number, thread: number, message: string): never {
    const place = this.placeOf(thread)
    const { name } = this.kernel.entry
    const instruction = this.kernel.entry.instructions.find((i) => i.line === line)?.text ?? ''
    throw new KernelFault(
      kind,
      line,
      place,
      this.current,
      `kernel ${name}, line ${line} ('${instruction}'), thread (${place.join(', ')}) of block (${this.current.join(', ')}): ${message}`,
    )
  }

  load(offset: number, bytes: number, line: number, thread: number): void {
    this.reach(offset, bytes, line, thread, true)
  }

  store(offset: number, bytes: number, line: number, thread: number): void {
    this.reach(offset, bytes, line, thread, false)
    this.ST8.fill(3, offset, offset + bytes)
  }

  update(offset: number, bytes: number, line: number, thread: number): void {
    this.reach(offset, bytes, line, thread, true)
    this.store(offset, bytes, line, thread)
  }

  private reach(offset: number, bytes: number, line: number, thread: number, reads: boolean): void {
    const problem = this.memory.problem(DEVICE_BASE + offset, bytes, bytes, reads, this.options.checks.global)
    if (problem !== undefined) this.fail(problem.kind, line, thread, problem.message)
  }

  local(offset: number, bytes: number, size: number, line: number, thread: number): number {
    if (offset < 0 || offset + bytes > size) this.fail('address', line, thread, `byte ${offset} of ${size} bytes of local memory`)
    if (offset % bytes !== 0) this.fail('misaligned', line, thread, `local address ${offset} is no multiple of ${bytes}`)
    return offset
  }

  wide(value: number, line: number, thread: number): number {
    if (!Number.isSafeInteger(value))
      this.fail('wide', line, thread, `${value} needs more than the 53 bits that 64-bit arithmetic has here`)
    return value
  }

  unsigned(value: number, line: number, thread: number): number {
    if (value < 0) this.fail('wide', line, thread, `${value} without its sign needs more than the 53 bits that 64-bit arithmetic has here`)
    return value
  }

  wideBits(operator: '&' | '|' | '^', a: number, b: number, line: number, thread: number): number {
    const [x, y] = [BigInt(a), BigInt(b)]
    return this.wide(Number(operator === '&' ? x & y : operator === '|' ? x | y : x ^ y), line, thread)
  }

  join(low: number, high: number, line: number, thread: number): number {
    return this.wide(high * 4294967296 + (low >>> 0), line, thread)
  }

  lowWord(value: number): number {
    return Number(BigInt.asIntN(32, BigInt(value)))
  }

  beginCopy(thread: number, to: number, from: number, size: number, bytes: number, line: number): void {
    if (bytes > size) this.fail('address', line, thread, `copies ${bytes} bytes into ${size}`)
    const problem = bytes === 0 ? undefined : this.memory.problem(from, bytes, size, true, this.options.checks.global)
    if (problem !== undefined) this.fail(problem.kind, line, thread, problem.message)
    this.SH.beginCopy(to, size, thread, line)
    this.copiesOf(thread).open.push({ to, from, bytes, size, line })
  }

  private copiesOf(thread: number): { open: Copy[]; readonly closed: Copy[][] } {
    let group = this.groups.get(thread)
    if (group === undefined) this.groups.set(thread, (group = { open: [], closed: [] }))
    return group
  }

  commitCopies(thread: number): void {
    const group = this.copiesOf(thread)
    group.closed.push(group.open)
    group.open = []
  }

  /** Ends all groups but the newest `pending`; with `all` those too that no group was made of. */
  waitCopies(thread: number, pending: number, all: boolean): void {
    const group = this.copiesOf(thread)
    if (all) this.commitCopies(thread)
    while (group.closed.length > pending) {
      for (const { to, from, bytes, size } of group.closed.shift()!) {
        this.SH8.fill(0, to + bytes, to + size)
        if (bytes > 0) this.SH8.set(this.memory.range(from, bytes), to)
        this.SH.endCopy(to, size, thread)
      }
    }
  }

  private placeOf(t: number): Triple {
    return [t % this.nx, Math.floor(t / this.nx) % this.ny, Math.floor(t / (this.nx * this.ny))]
  }

  private ordered(count: number): Int32Array {
    switch (this.options.order) {
      case 'forward':
      case 'reverse': {
        const known = this.orders.get(count)
        if (known !== undefined) return known
        const order = Int32Array.from({ length: count }, (_, i) => (this.options.order === 'forward' ? i : count - 1 - i))
        this.orders.set(count, order)
        return order
      }
      case 'random': {
        const order = Int32Array.from({ length: count }, (_, i) => i)
        for (let i = count - 1; i > 0; i--) {
          const k = Math.floor(this.draw() * (i + 1))
          const kept = order[i]!
          order[i] = order[k]!
          order[k] = kept
        }
        return order
      }
      default:
        return this.options.order satisfies never
    }
  }

  /** From 0 to 1. Source: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", 2014, with 32 bits. */
  private draw(): number {
    this.random = (this.random + 0x9e3779b9) | 0
    let z = this.random
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
  }
}
