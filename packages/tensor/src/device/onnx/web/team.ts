/** Threads that multiply together: this one and workers over the same memory. */
import { kernelModule } from './kernels.js'

export type Kernel = (
  weights: number,
  scales: number,
  mins: number,
  x: number,
  y: number,
  rows: number,
  blocks: number,
  xStride: number,
  yStride: number,
) => void

/** A product: all addresses but the numbers of rows and blocks. */
export interface Product {
  readonly packing: number
  readonly weights: number
  readonly scales: number
  readonly mins: number
  readonly x: number
  readonly y: number
  /** Rows of weights. */
  readonly rows: number
  /** Rows of x. */
  readonly columns: number
  readonly blocks: number
  readonly weightBytes: number
  readonly xStride: number
}

/** Places of the control block, in 4 bytes each. A ticket is the number of a round, and of its next unit of work. */
const TICKET = 0
const TOTAL = 1
const DONE = 2
const CALLS = 3
const PRODUCTS = 4
const FIELDS = 13
const MOST_PRODUCTS = 64
export const CONTROL_BYTES = 4 * (PRODUCTS + FIELDS * MOST_PRODUCTS)

/** Products with fewer multiplications than this are done before another thread has woken. */
const SHARED_FROM = 100_000
/** Units that a product is cut into, at most. */
const UNITS = 64
const LEAST_ROWS = 16

/** Does units of the round's products until none is left. Workers get its text, so it uses nothing from outside of it. */
function work(control: Int32Array, kernels: readonly Kernel[]): void {
  for (;;) {
    const ticket = Atomics.load(control, 0)
    const unit = ticket & 0xffff
    if (unit >= Atomics.load(control, 1)) return
    // Another round has another number, so a unit is never taken from one that has ended.
    if (Atomics.compareExchange(control, 0, ticket, ticket + 1) !== ticket) continue
    let at = 4
    let first = unit
    while (first >= control[at + 1]!) {
      first -= control[at + 1]!
      at += 13
    }
    const rowsOfUnit = control[at + 2]!
    const rows = control[at + 8]!
    const columns = control[at + 9]!
    const blocks = control[at + 10]!
    const xStride = control[at + 12]!
    const from = first * rowsOfUnit
    const count = Math.min(rowsOfUnit, rows - from)
    const weights = (control[at + 3]! + from * blocks * control[at + 11]!) | 0
    const scales = (control[at + 4]! + from * blocks * 4) | 0
    const mins = (control[at + 5]! + from * blocks * 4) | 0
    const [single, four] = [kernels[2 * control[at]!]!, kernels[2 * control[at]! + 1]!]
    for (let column = 0; column < columns;) {
      const several = columns - column >= 4
      const x = (control[at + 6]! + column * xStride) | 0
      const y = (control[at + 7]! + 4 * (column * rows + from)) | 0
      ;(several ? four : single)(weights, scales, mins, x, y, count, blocks, xStride, 4 * rows)
      column += several ? 4 : 1
    }
    Atomics.add(control, 2, 1)
  }
}

const kernelsIn = (exports: WebAssembly.Exports): Kernel[] =>
  Array.from({ length: 8 }, (_, packing) => ['1x1', '1x4'].map((tile) => exports[`p${packing}t${tile}`] as Kernel)).flat()

/** What workers run. Nothing of it is imported, so that bundlers need not know of it. */
const script = (): string => `const __name = (one) => one
const work = ${work.toString()}
const kernelsIn = ${kernelsIn.toString()}
onmessage = async ({ data: { module, memory, address } }) => {
  const kernels = kernelsIn((await WebAssembly.instantiate(module, { env: { memory } })).exports)
  const control = new Int32Array(memory.buffer, address)
  for (let seen = Atomics.load(control, ${CALLS}); ; seen = Atomics.load(control, ${CALLS})) {
    work(control, kernels)
    Atomics.wait(control, ${CALLS}, seen)
  }
}`

interface WorkerLike {
  postMessage(message: unknown): void
  terminate(): void
}

export class Team {
  private readonly workers: WorkerLike[] = []
  private round = 0

  private constructor(
    private readonly control: Int32Array,
    private readonly kernels: readonly Kernel[],
  ) {}

  /** `address` is that of the control block. Where a page's rules allow no workers of a text, this thread works alone. */
  static async open(memory: WebAssembly.Memory, address: number, threads: number): Promise<Team> {
    const module = await WebAssembly.compile(kernelModule())
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } })
    const control = new Int32Array(memory.buffer, address, CONTROL_BYTES / 4).fill(0)
    const team = new Team(control, kernelsIn(exports))
    const { Worker } = globalThis as { Worker?: new (url: string) => WorkerLike & { onerror?: unknown } }
    if (Worker === undefined || threads < 2) return team
    const url = URL.createObjectURL(new Blob([script()], { type: 'text/javascript' }))
    try {
      for (let i = 1; i < threads; i++) {
        const worker = new Worker(url)
        worker.onerror = (event: { preventDefault(): void }) => event.preventDefault()
        worker.postMessage({ module, memory, address })
        team.workers.push(worker)
      }
    } catch {
      // This thread is enough.
    }
    return team
  }

  /** Computes products that wait for nothing of each other, and returns when all are there. */
  multiply(products: readonly Product[]): void {
    for (let at = 0; at < products.length; at += MOST_PRODUCTS) this.multiplySome(products.slice(at, at + MOST_PRODUCTS))
  }

  private multiplySome(products: readonly Product[]): void {
    const { control } = this
    this.round = (this.round + 1) & 0x7fff
    Atomics.store(control, TICKET, (this.round << 16) | 0xffff) // closed while it is written
    let total = 0
    let operations = 0
    products.forEach((product, i) => {
      const { rows, columns } = product
      const rowsOfUnit = Math.max(LEAST_ROWS, Math.ceil(rows / UNITS))
      const units = Math.ceil(rows / rowsOfUnit)
      total += units
      operations += rows * columns * product.xStride
      control.set(
        [
          product.packing,
          units,
          rowsOfUnit,
          product.weights,
          product.scales,
          product.mins,
          product.x,
          product.y,
          rows,
          columns,
          product.blocks,
          product.weightBytes,
          product.xStride,
        ],
        PRODUCTS + FIELDS * i,
      )
    })
    Atomics.store(control, DONE, 0)
    Atomics.store(control, TOTAL, total)
    Atomics.store(control, TICKET, this.round << 16)
    if (this.workers.length > 0 && operations > SHARED_FROM) {
      Atomics.add(control, CALLS, 1)
      Atomics.notify(control, CALLS)
    }
    work(control, this.kernels)
    // Whoever took the last units is not long about them, and a page's own thread may not sleep.
    while (Atomics.load(control, DONE) !== total);
  }

  dispose(): void {
    for (const worker of this.workers) worker.terminate()
    this.workers.length = 0
  }
}
