/** A partitioned program in the runtime's memory: sessions, tensors over places, and products. */
import type { Program } from '../../../compile/program.js'
import { byteSize } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import { shapeOf, type TensorType } from '../../../graph/node.js'
import { blockSize, type QuantAttrs } from '../../../ops/quant.js'
import { dimMax, elementCountAt, isSym, resolveShape, type Shape, type Sym, type SymValues } from '../../../shape.js'
import type { Executable } from '../../device.js'
import { elementTypeOf, int64ElementType } from '../element-type.js'
import { Lifetime } from '../lifetime.js'
import { packingIndex, recordBytes, roundRows, type Packing } from './kernels.js'
import type { Partition, Place, QuantisedProduct, Segment } from './partition.js'
import type { OrtRuntime } from './runtime.js'
import type { SharedSession } from './sessions.js'
import type { Product, Team } from './team.js'

/** Addresses of the buffers of a call. */
export interface Call {
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  readonly symbols: SymValues
}

/** A tensor of a session, as it was bound last. */
interface Slot {
  readonly place: Place
  readonly type: TensorType
  /** Where its pointer is written. */
  readonly at: number
  readonly isDynamic: boolean
  address: number
  key: string
  tensor: number
}

interface BoundSegment {
  readonly session: SharedSession
  readonly slots: readonly Slot[]
  readonly inputs: number
  readonly inputCount: number
  readonly outputs: number
  readonly outputCount: number
}

interface BoundProduct {
  readonly product: QuantisedProduct
  readonly packing: Packing
  readonly rows: number
  /** Of the inputs, but for the last dimension: there is a column for each. */
  readonly lead: Shape
  readonly blocks: number
  readonly record: number
  /** Rows that are rounded for another product of the stage already are not rounded again. */
  readonly rounds: boolean
  /** Inputs of 16 bits, as two numbers of 8: what rounding leaves of them, and the products of both. */
  readonly wide: { readonly rest: number; readonly products: number } | undefined
}

interface BoundStage {
  readonly segment: BoundSegment | undefined
  readonly products: readonly BoundProduct[]
}

export class WasmExecutable extends Lifetime implements Executable {
  private readonly owned: number[] = []
  private readonly held: readonly number[]
  private readonly cells: ReadonlyMap<Sym, { readonly address: number; readonly tensor: number }>
  private readonly stages: readonly BoundStage[]

  constructor(
    readonly program: Program,
    parts: Partition,
    readonly sessions: readonly (SharedSession | undefined)[],
    private readonly runtime: OrtRuntime,
    private readonly team: Team,
    private readonly onDispose: (executable: WasmExecutable) => void,
  ) {
    super()
    this.held = this.allocHeld(parts)
    this.cells = new Map(
      program.symbols.map((symbol) => {
        const address = this.own(8)
        return [symbol, { address, tensor: runtime.createTensor(int64ElementType, address, 8, [1]) }]
      }),
    )
    const records = this.own(Math.max(16, ...parts.stages.map(({ products }) => placeRecords(products, 0).end)))
    this.stages = parts.stages.map(({ segment, products }, i) => ({
      segment: segment === undefined ? undefined : this.bind(segment, sessions[i]!),
      products: placeRecords(products, records).bound,
    }))
  }

  protected onEnd(): void {
    this.onDispose(this)
  }

  /** Gives all memory back but the sessions. */
  release(): void {
    for (const { segment } of this.stages)
      for (const { tensor } of segment?.slots ?? []) if (tensor !== 0) this.runtime.releaseTensor(tensor)
    for (const { tensor } of this.cells.values()) this.runtime.releaseTensor(tensor)
    for (const address of this.owned) this.runtime.free(address)
  }

  /** How many stages there are; each is run by `runStage` in turn. */
  get length(): number {
    return this.stages.length
  }

  begin({ symbols }: Call): void {
    for (const symbol of this.program.symbols) {
      const at = this.cells.get(symbol)!.address >>> 2
      this.runtime.words[at] = symbols.get(symbol)!
      this.runtime.words[at + 1] = 0
    }
  }

  runStage(index: number, call: Call): void {
    const { segment, products } = this.stages[index]!
    const { runtime } = this
    if (segment !== undefined) {
      for (const slot of segment.slots) this.refresh(slot, call)
      const { session, inputs, inputCount, outputs, outputCount } = segment
      runtime.run(session.handle, session.inputNames, inputs, inputCount, session.outputNames, outputs, outputCount)
    }
    if (products.length === 0) return
    const { buffer } = runtime.bytes
    this.team.multiply(
      products.map(({ product, packing, rows, lead, blocks, record, rounds, wide }): Product => {
        const columns = elementCountAt(lead, call.symbols)
        const xStride = blocks * recordBytes(packing)
        const values = columns * blocks * packing.block
        if (rounds) {
          roundRows(buffer, packing, this.address(product.x, call), record, values, wide?.rest)
          if (wide !== undefined) roundRows(buffer, packing, wide.rest, record + columns * xStride, values)
        }
        return {
          packing: packingIndex(packing),
          weights: this.address(product.packed, call),
          scales: this.address(product.scales, call),
          mins: product.mins === undefined ? 0 : this.address(product.mins, call),
          x: record,
          y: wide?.products ?? this.address(product.y, call),
          rows,
          columns: wide === undefined ? columns : 2 * columns,
          blocks,
          weightBytes: (packing.block * packing.bits) / 8,
          xStride,
        }
      }),
    )
    for (const { product, rows, lead, wide } of products) {
      if (wide === undefined) continue
      const count = rows * elementCountAt(lead, call.symbols)
      const both = new Float32Array(buffer, wide.products, 2 * count)
      const sum = new Float32Array(buffer, this.address(product.y, call), count)
      for (let i = 0; i < count; i++) sum[i] = both[i]! + both[count + i]!
    }
  }

  private address({ in: where, index }: Place, call: Call): number {
    return where === 'held' ? this.held[index]! : call[where][index]!
  }

  private refresh(slot: Slot, call: Call): void {
    const address = this.address(slot.place, call)
    if (address === slot.address && !slot.isDynamic) return
    const dims = resolveShape(slot.type.shape, call.symbols)
    const key = slot.isDynamic ? dims.join() : ''
    if (address === slot.address && key === slot.key) return
    if (slot.tensor !== 0) this.runtime.releaseTensor(slot.tensor)
    const bytes = dims.reduce((product, dim) => product * dim, 1) * byteSize(slot.type.dtype)
    slot.tensor = this.runtime.createTensor(elementTypeOf(slot.type.dtype), address, bytes, dims)
    slot.address = address
    slot.key = key
    this.runtime.words[slot.at >>> 2] = slot.tensor
  }

  private bind({ program, inputs, outputs }: Segment, session: SharedSession): BoundSegment {
    const { model } = session
    const used = inputs.flatMap((place, i) => (model.inputNames[i] === undefined ? [] : [{ place, type: program.inputs[i]! }]))
    const inputCount = used.length + session.symbols.length
    const base = this.own(4 * (inputCount + outputs.length))
    const slot = ({ place, type }: { place: Place; type: TensorType }, i: number): Slot => ({
      place,
      type,
      at: base + 4 * i,
      isDynamic: type.shape.some(isSym),
      address: -1,
      key: '',
      tensor: 0,
    })
    const slots = used.map(slot)
    // Another program's symbols stand at the same places of an equal one.
    session.symbols.forEach((symbol, i) => {
      this.runtime.words[(base >>> 2) + used.length + i] = this.cells.get(program.symbols[symbol]!)!.tensor
    })
    outputs.forEach((place, i) => slots.push(slot({ place, type: program.outputs[i]! }, inputCount + i)))
    return { session, slots, inputs: base, inputCount, outputs: base + 4 * inputCount, outputCount: outputs.length }
  }

  /** Values whose stages do not overlap share memory. */
  private allocHeld({ held }: Partition): number[] {
    const rooms: { bytes: number; until: number }[] = []
    const order = held.map((_, i) => i).toSorted((a, b) => held[a]!.first - held[b]!.first)
    const roomOf: number[] = []
    for (const i of order) {
      const { type, first, last } = held[i]!
      const bytes = type.shape.reduce<number>((product, dim) => product * dimMax(dim), 1) * byteSize(type.dtype)
      const vacant = rooms.map((_, r) => r).filter((r) => rooms[r]!.until < first)
      // The smallest that it fits, else the largest, which grows.
      const fits = vacant.filter((r) => rooms[r]!.bytes >= bytes).toSorted((a, b) => rooms[a]!.bytes - rooms[b]!.bytes)[0]
      const room = fits ?? vacant.toSorted((a, b) => rooms[b]!.bytes - rooms[a]!.bytes)[0] ?? rooms.push({ bytes, until: 0 }) - 1
      rooms[room] = { bytes: Math.max(rooms[room]!.bytes, bytes), until: last }
      roomOf[i] = room
    }
    const addresses = rooms.map(({ bytes }) => this.own(bytes))
    return roomOf.map((room) => addresses[room]!)
  }

  private own(bytes: number): number {
    const address = this.runtime.alloc(bytes)
    this.owned.push(address)
    return address
  }
}

/** Where the rounded rows of a stage's products lie, from an address on. */
function placeRecords(products: readonly QuantisedProduct[], from: number): { readonly bound: BoundProduct[]; readonly end: number } {
  const known = new Map<string, { readonly record: number; readonly rest: number }>()
  let end = from
  const room = (bytes: number): number => {
    const at = end
    end += bytes + (-bytes & 15)
    return at
  }
  const bound = products.map((product): BoundProduct => {
    const [x, , scales] = product.node.inputs
    const attrs = product.node.attrs as QuantAttrs
    const packing: Packing = { bits: attrs.bits, block: blockSize(attrs) as 16 | 32, hasMins: product.mins !== undefined }
    const [rows, blocks] = shapeOf(scales!) as readonly [number, number]
    const lead = shapeOf(x!).slice(0, -1)
    // Room for as many as there may be.
    const columns = lead.reduce<number>((count, dim) => count * dimMax(dim), 1)
    const isWide = attrs.inputs === 'f32'
    const key = `${product.x.in} ${product.x.index} ${packing.bits} ${packing.block} ${isWide}`
    const there = known.get(key)
    const { record, rest } = there ?? {
      record: room((isWide ? 2 : 1) * columns * blocks * recordBytes(packing)),
      rest: room(isWide ? 4 * columns * blocks * packing.block : 0),
    }
    known.set(key, { record, rest })
    const wide = isWide ? { rest, products: room(8 * columns * rows) } : undefined
    return { product, packing, rows, lead, blocks, record, rounds: there === undefined, wide }
  })
  if (end > from + 2 ** 31) throw new TensorError('OUT_OF_MEMORY', `a product needs ${end - from} bytes for its rows`)
  return { bound, end }
}
