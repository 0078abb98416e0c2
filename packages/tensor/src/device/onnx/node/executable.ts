/**
 * A session with its argument block: names and OrtValue pointers in native memory, laid out once. Binding a call writes
 * only the pointers that differ from the call before, allocates nothing and makes no BigInt.
 */
import { byteSize } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import type { Program } from '../../../compile/program.js'
import type { TensorType } from '../../../graph/node.js'
import { isSym, printShape, type Sym, type SymValues } from '../../../shape.js'
import type { Device, DeviceBuffer, Executable } from '../../device.js'
import { elementTypeOf, int64ElementType } from '../element-type.js'
import { Lifetime } from '../lifetime.js'
import type { EmittedModel } from '../emit/emit.js'
import type { OnnxBuffer, Block, BlockValue, BufferPool } from './buffers.js'
import type { OrtApi } from './c-api.js'
import { cStrings, NativeBlock } from './ffi.js'
import type { FrozenInput } from './session.js'
import { RunClock } from './clock.js'

/** One bound tensor of the graph. */
interface Slot {
  /** Position in program.inputs or program.outputs. */
  readonly index: number
  /** 8-byte position in the argument block. */
  readonly at: number
  readonly type: TensorType
  readonly elementType: number
  /** Positions of its symbols in program.symbols; empty when the shape is fixed. */
  readonly symbols: readonly number[]
  dims: readonly number[]
  bytes: number
  key: string
  bound: BlockValue | undefined
}

export class OnnxExecutable extends Lifetime implements Executable {
  readonly clock = new RunClock()
  /** Scratch for the blocks of a run that starts at once. */
  readonly inputBlocks: Block[]
  readonly outputBlocks: Block[]
  readonly symbolScratch: number[]
  /** The largest size in the call that its inputs say: the tokens of a piece of a prompt, 1 where nothing but values differs. */
  rows = 1
  /** Runs of few rows so far. */
  shortRuns = 0
  /** Whether weights lie in files. */
  readonly inFiles: boolean

  private readonly args: NativeBlock
  private readonly strings: NativeBlock
  private readonly inputSlots: readonly Slot[]
  private readonly outputSlots: readonly Slot[]
  private readonly dynamicSlots: readonly Slot[]
  private readonly symbolCells: NativeBlock
  private readonly symbolValues: readonly number[]
  private readonly symbolOf: readonly number[]
  private readonly lastSymbols: number[]
  private readonly inputCount: number
  private readonly addresses: readonly [inputNames: number, inputs: number, outputNames: number, outputs: number]

  constructor(
    readonly program: Program,
    readonly model: EmittedModel,
    readonly session: number,
    readonly frozen: readonly FrozenInput[],
    private readonly api: OrtApi,
    private readonly pool: BufferPool,
    private readonly onDispose: (executable: OnnxExecutable) => void,
  ) {
    super()
    this.inFiles = frozen.some(({ block }) => block.drop !== undefined)
    const { symbols } = program
    const used = program.inputs.map((_, i) => i).filter((i) => model.inputNames[i] !== undefined)
    const inputCount = used.length + model.symbolInputs.length
    const outputCount = program.outputs.length
    const names = cStrings(api.koffi, [
      ...used.map((i) => model.inputNames[i]!),
      ...model.symbolInputs.map(({ name }) => name),
      ...model.outputNames,
    ])
    this.strings = names.block
    this.args = new NativeBlock(api.koffi, 16 * (inputCount + outputCount))
    this.inputCount = inputCount
    const base = this.args.address
    this.addresses = [base, base + 8 * inputCount, base + 16 * inputCount, base + 8 * (2 * inputCount + outputCount)]
    for (let i = 0; i < inputCount; i++) this.args.setPointer(i, names.addresses[i]!)
    for (let i = 0; i < outputCount; i++) this.args.setPointer(2 * inputCount + i, names.addresses[inputCount + i]!)

    const slot = (type: TensorType, index: number, at: number): Slot => {
      const made: Slot = {
        index,
        at,
        type,
        elementType: elementTypeOf(type.dtype),
        symbols: type.shape.filter(isSym).map((dim) => symbols.indexOf(dim)),
        dims: [],
        bytes: 0,
        key: '',
        bound: undefined,
      }
      if (made.symbols.length === 0) resize(made, type.shape as readonly number[])
      return made
    }
    this.inputSlots = used.map((i, k) => slot(program.inputs[i]!, i, inputCount + k))
    this.outputSlots = program.outputs.map((type, i) => slot(type, i, 2 * inputCount + outputCount + i))
    this.dynamicSlots = [...this.inputSlots, ...this.outputSlots].filter(({ symbols }) => symbols.length > 0)

    this.symbolCells = new NativeBlock(api.koffi, 64 * Math.max(1, model.symbolInputs.length))
    this.symbolOf = model.symbolInputs.map(({ symbol }) => symbols.indexOf(symbol))
    this.symbolValues = model.symbolInputs.map((_, i) => pool.createValue(this.symbolCells.address + 8 * i, 8, int64ElementType, [1]))
    this.symbolValues.forEach((value, i) => this.args.setPointer(inputCount + used.length + i, value))
    this.lastSymbols = symbols.map(() => -1)
    this.symbolScratch = symbols.map(() => 0)
    this.inputBlocks = new Array(program.inputs.length)
    this.outputBlocks = new Array(outputCount)
  }

  /** The memory behind the handles of a call, checked against the program. Weights that the session holds are not looked at again. */
  resolve(device: Device, handles: readonly DeviceBuffer[], what: 'input' | 'output', blocks: Block[]): Block[] {
    const types: readonly TensorType[] = what === 'input' ? this.program.inputs : this.program.outputs
    if (handles.length !== types.length)
      throw new TensorError('VALUE', `the program has ${types.length} ${what}s and was given ${handles.length} buffers`)
    for (const { index: i } of what === 'input' ? this.inputSlots : this.outputSlots) {
      const handle = handles[i] as OnnxBuffer
      if (handle.device !== device)
        throw new TensorError(
          'DEVICE',
          `${what} ${i} of the program lies on device '${handle.device.name}' (${handle.device.description}); expected ${device.description}`,
        )
      const block = handle.block
      if (block === undefined) throw new TensorError('DISPOSED', `${what} ${i} of the program is a buffer that was freed`)
      blocks[i] = block
    }
    return blocks
  }

  /** Values of the program's symbols in a call, in the order of `program.symbols`. */
  resolveSymbols(values: SymValues, into: number[]): number[] {
    const { symbols } = this.program
    for (let i = 0; i < symbols.length; i++) {
      const symbol: Sym = symbols[i]!
      const value = values.get(symbol)
      if (value === undefined)
        throw new TensorError('VALUE', `symbol '${symbol.name}' has no value in this call; pass one from 0 to ${symbol.max}`)
      if (!Number.isInteger(value) || value < 0 || value > symbol.max)
        throw new TensorError('VALUE', `symbol '${symbol.name}' is ${value}; expected an integer from 0 to ${symbol.max}`)
      into[i] = value
    }
    return into
  }

  /** Writes what changed into the argument block. Only while nothing runs. */
  bind(inputs: readonly Block[], outputs: readonly Block[], symbols: readonly number[]): void {
    let changed = false
    for (let i = 0; i < symbols.length; i++) {
      if (this.lastSymbols[i] === symbols[i]) continue
      this.lastSymbols[i] = symbols[i]!
      changed = true
    }
    if (changed) this.applySymbols(symbols)
    for (const slot of this.inputSlots) {
      const block = inputs[slot.index]!
      const { bound } = slot
      if (bound === undefined || bound.block !== block || bound.pointer === 0) this.bindSlot(slot, block, 'input')
    }
    for (const slot of this.outputSlots) {
      const block = outputs[slot.index]!
      const { bound } = slot
      if (bound === undefined || bound.block !== block || bound.pointer === 0) this.bindSlot(slot, block, 'output')
    }
  }

  /** Runs on the calling thread. */
  runSync(runOptions: number): void {
    const status = this.api.call.Run(...this.runArguments(this.session, runOptions))
    if (status !== 0) this.api.check(status, `running a program of ${this.program.nodes.length} nodes`)
  }

  /** Runs on another thread; `session` is another one of the same model when the run is profiled. */
  runAsync(runOptions: number, done: (error: unknown) => void, session: number = this.session): void {
    this.api.call.Run.async(...this.runArguments(session, runOptions), (failure: unknown, status: number) => {
      if (failure !== null && failure !== undefined) return done(failure)
      try {
        this.api.check(status, `running a program of ${this.program.nodes.length} nodes`)
      } catch (error) {
        return done(error)
      }
      done(undefined)
    })
  }

  private runArguments(session: number, runOptions: number): readonly number[] {
    const [inputNames, inputs, outputNames, outputs] = this.addresses
    return [session, runOptions, inputNames, inputs, this.inputCount, outputNames, this.outputSlots.length, outputs]
  }

  protected onEnd(): void {
    this.onDispose(this)
  }

  /** Releases what the argument block holds; the device releases the session. */
  releaseValues(): void {
    for (const value of this.symbolValues) this.api.call.ReleaseValue(value)
  }

  private bindSlot(slot: Slot, block: Block, what: 'input' | 'output'): void {
    if (block.size < slot.bytes)
      throw new TensorError(
        'SHAPE',
        `${what} ${slot.index} needs ${slot.bytes} bytes for ${slot.type.dtype} ${printShape(slot.type.shape)}; its buffer has ${block.size}`,
      )
    const value = this.pool.value(block, slot.key, slot.elementType, slot.dims, slot.bytes)
    slot.bound = value
    this.args.setPointer(slot.at, value.pointer)
  }

  private applySymbols(symbols: readonly number[]): void {
    for (let i = 0; i < this.symbolOf.length; i++) this.symbolCells.setPointer(i, symbols[this.symbolOf[i]!]!)
    this.rows = Math.max(1, ...this.dynamicSlots.flatMap((slot) => slot.symbols.map((symbol) => symbols[symbol]!)))
    for (const slot of this.dynamicSlots) {
      resize(
        slot,
        slot.type.shape.map((dim) => (typeof dim === 'number' ? dim : symbols[this.program.symbols.indexOf(dim)]!)),
      )
      slot.bound = undefined
    }
  }
}

function resize(slot: Slot, dims: readonly number[]): void {
  slot.dims = dims
  slot.bytes = dims.reduce((product, dim) => product * dim, 1) * byteSize(slot.type.dtype)
  slot.key = `${slot.elementType}:${dims.join()}`
}
