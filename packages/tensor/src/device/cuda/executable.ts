import type { Dispatch, DispatchPlan, Place } from '../../compile/dispatches.js'
import type { PlainProduct, ProductSize } from '../../compile/plain-product.js'
import type { Program } from '../../compile/program.js'
import { checkSymbols, type SymValues } from '../../shape.js'
import type { Executable, ProfileSink } from '../device.js'
import { gridOf, workgroupsOf, writeNumbers } from '../kernel-device.js'
import type { CudaDriver, DevicePointer, Dim3, Handle } from './driver.js'
import type { LibraryProducts } from './library-products.js'
import type { Replay } from './replay.js'
import type { Staging } from './staging.js'

export interface Stage {
  readonly dispatch: Dispatch
  /** Its text, by which the module is known. */
  readonly ptx: string
  readonly fn: Handle
  /** Shared memory that its launches have to give. */
  readonly sharedBytes: number
  /** Where its numbers are in the program's, in words; undefined when it has none. */
  readonly numbersAt: number | undefined
  /** What a library may do in the kernel's place, where it is large enough in a run. */
  readonly product: PlainProduct | undefined
}

/** The numbers of all dispatches of a program. */
export interface Numbers {
  readonly pointer: DevicePointer
  readonly words: number
}

/** Where a run's memory is. */
export interface RunMemory {
  readonly inputs: readonly DevicePointer[]
  readonly outputs: readonly DevicePointer[]
  /** Of temporaries; 0 when there are none. */
  readonly arena: DevicePointer
  /** Of the library's products; 0 where kernels do them. */
  readonly workspace: DevicePointer
}

/** A program's kernels, compiled, with what stays the same from run to run. */
export class CudaExecutable implements Executable {
  disposed = false
  /** Values of the program's symbols that numbers and grids are for. */
  private values: readonly number[] | undefined
  private readonly grids: Dim3[] = []
  private readonly products: (ProductSize | undefined)[] = []
  /** Of grids, and of the products whose sizes a library is told instead. */
  private sizeKey = ''
  private readonly most: readonly number[]
  /** Dispatches whose size symbols decide. */
  private readonly varying: readonly number[]
  private readonly words: Uint32Array

  constructor(
    readonly program: Program,
    readonly plan: DispatchPlan,
    readonly stages: readonly Stage[],
    readonly numbers: Numbers | undefined,
    readonly replay: Replay,
    private readonly mostGroups: number,
    private readonly library: LibraryProducts,
    private readonly onDispose: (own: CudaExecutable) => void,
  ) {
    const maxima = new Map(program.symbols.map((symbol) => [symbol, symbol.max]))
    this.most = stages.map(({ dispatch }) => workgroupsOf(dispatch, maxima))
    this.varying = stages.flatMap(({ dispatch }, i) => (dispatch.symbols.length > 0 ? [i] : []))
    this.words = new Uint32Array(numbers?.words ?? 0)
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.onDispose(this)
  }

  /** Whether a library may be asked for a product in this run. */
  get usesLibrary(): boolean {
    return this.products.some((product) => product !== undefined)
  }

  /** Works out grids, and sends numbers to the device, where symbols have other values than in the run before. */
  update(values: SymValues, staging: Staging): void {
    checkSymbols(this.program.symbols, values)
    const now = this.program.symbols.map((symbol) => values.get(symbol) ?? NaN)
    const { values: before } = this
    if (before !== undefined && now.every((value, i) => value === before[i])) return
    this.values = undefined
    let sized = before === undefined
    for (const i of before === undefined ? this.stages.keys() : this.varying) sized = this.size(i, values) || sized
    if (sized) this.sizeKey = [...this.grids.map(([x, y]) => `${x}x${y}`), ...this.products.map((product) => product?.key ?? '')].join()
    if (this.numbers !== undefined) {
      for (const { dispatch, numbersAt } of this.stages) if (numbersAt !== undefined) writeNumbers(this.words, numbersAt, dispatch, values)
      staging.toDevice(this.numbers.pointer, new Uint8Array(this.words.buffer))
    }
    this.values = now
  }

  /** Works out the size of one dispatch. Returns whether it is another than before. */
  private size(i: number, values: SymValues): boolean {
    const { dispatch, product } = this.stages[i]!
    const groups = workgroupsOf(dispatch, values)
    // A symbol that grows at each step would need a new graph each time: grids are rounded up to powers of two, and threads beyond the end leave at once.
    const [x, y] = groups === 0 ? [0, 0] : gridOf(Math.min(2 ** Math.ceil(Math.log2(groups)), this.most[i]!), this.mostGroups)
    const [grid, sized] = [this.grids[i], product && this.library.sized(product, values)]
    if (grid?.[0] === x && grid[1] === y && sized?.key === this.products[i]?.key) return false
    this.grids[i] = [x, y, 1]
    this.products[i] = sized
    return true
  }

  /** Puts the kernels on the stream, as a graph where `replayed`. */
  launch(driver: CudaDriver, stream: Handle, memory: RunMemory, replayed: boolean): void {
    const launch = (): void => this.stages.forEach((_, i) => this.launchStage(i, driver, stream, memory))
    if (!replayed) return launch()
    const { inputs, outputs, arena, workspace } = memory
    this.replay.run(`${inputs.join()} ${outputs.join()} ${arena} ${workspace} ${this.sizeKey}`, this.stages.length, launch)
  }

  /** Kernel by kernel, each awaited: times are those of the device and of waiting for it. */
  profile(driver: CudaDriver, stream: Handle, memory: RunMemory, profile: ProfileSink): void {
    driver.streamSynchronize(stream)
    this.stages.forEach(({ dispatch }, i) => {
      const start = performance.now()
      const detail = this.launchStage(i, driver, stream, memory)
      driver.streamSynchronize(stream)
      profile({ name: dispatch.title, detail, ms: performance.now() - start })
    })
  }

  /** @returns what was put on the stream, for people: the kernel's name, or the library's */
  private launchStage(index: number, driver: CudaDriver, stream: Handle, { inputs, outputs, arena, workspace }: RunMemory): string {
    const { dispatch, fn, sharedBytes, numbersAt, product } = this.stages[index]!
    const { name, workgroup } = dispatch.kernel
    const grid = this.grids[index]!
    if (grid[0] === 0) return name
    const address = (place: Place): DevicePointer =>
      place.kind === 'temporary' ? arena + place.offset : place.kind === 'input' ? inputs[place.index]! : outputs[place.index]!
    const sized = this.products[index]
    if (product !== undefined && sized !== undefined && workspace !== 0) {
      const at = { left: address(product.left.place), right: address(product.right.place), result: address(product.result) }
      if (this.library.multiply(sized, at, workspace)) return this.library.description
    }
    const parameters = dispatch.places.map(address)
    if (numbersAt !== undefined) parameters.push(this.numbers!.pointer + 4 * numbersAt)
    driver.launch(fn, grid, workgroup, sharedBytes, stream, parameters)
    return name
  }
}
