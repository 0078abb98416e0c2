/**
 * NVIDIA's library of matrix products through koffi, as `libcuda.ts` calls the driver: handles and addresses are numbers, blocks of memory are used again. The library takes
 * matrices whose columns lie behind each other, and a matrix whose rows do is one of those, transposed: what is asked for is resultᵀ = rightᵀ · leftᵀ, with the operands changed over.
 *
 * Names, signatures and numbers: NVIDIA, "cuBLAS Library", and its headers cublasLt.h, cublas_api.h and library_types.h (12.9); entries are those that exist since CUDA 11.
 */
import type { ProductSize } from '../../../compile/plain-product.js'
import { TensorError } from '../../../errors.js'
import { NativeBlock, type Koffi, type NativeFunction } from '../../onnx/node/ffi.js'
import type { DevicePointer, Handle } from '../driver.js'
import type { MatrixLibrary, ProductPointers } from '../matrix-library.js'

const ptr = 'uint64_t'
const size = 'size_t'

/** The entries and their parameters; the result is always a status. */
const signatures = {
  cublasLtCreate: [ptr],
  cublasLtDestroy: [ptr],
  cublasLtMatmulDescCreate: [ptr, 'int', 'int'],
  cublasLtMatmulDescSetAttribute: [ptr, 'int', ptr, size],
  cublasLtMatmulDescDestroy: [ptr],
  cublasLtMatrixLayoutCreate: [ptr, 'int', ptr, ptr, 'int64_t'],
  cublasLtMatrixLayoutSetAttribute: [ptr, 'int', ptr, size],
  cublasLtMatrixLayoutDestroy: [ptr],
  cublasLtMatmulPreferenceCreate: [ptr],
  cublasLtMatmulPreferenceSetAttribute: [ptr, 'int', ptr, size],
  cublasLtMatmulPreferenceDestroy: [ptr],
  cublasLtMatmulAlgoGetHeuristic: [ptr, ptr, ptr, ptr, ptr, ptr, ptr, 'int', ptr, ptr],
  cublasLtMatmul: [ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, size, ptr],
} as const satisfies Readonly<Record<string, readonly string[]>>

type Entry = keyof typeof signatures
export type CublasLtCalls = Readonly<Record<Entry, NativeFunction>>

/** `cublasStatus_t`. */
const statusNames: Readonly<Record<number, string>> = {
  1: 'CUBLAS_STATUS_NOT_INITIALIZED',
  3: 'CUBLAS_STATUS_ALLOC_FAILED',
  7: 'CUBLAS_STATUS_INVALID_VALUE',
  8: 'CUBLAS_STATUS_ARCH_MISMATCH',
  11: 'CUBLAS_STATUS_MAPPING_ERROR',
  13: 'CUBLAS_STATUS_EXECUTION_FAILED',
  14: 'CUBLAS_STATUS_INTERNAL_ERROR',
  15: 'CUBLAS_STATUS_NOT_SUPPORTED',
  16: 'CUBLAS_STATUS_LICENSE_ERROR',
}
const SUCCESS = 0
/** `cudaDataType`. */
const dataTypes = { f32: 0, f16: 2, bf16: 14 } as const
const COMPUTE_32F = 68
const OP_TRANSPOSED = 1
/** `cublasLtMatmulDescAttributes_t`, `cublasLtMatrixLayoutAttribute_t` and `cublasLtMatmulPreferenceAttributes_t`, with the bytes of what they take. */
const operationAttribute = { transposesFirst: 3, transposesSecond: 4 } as const
const layoutAttribute = { batchCount: 5, batchStride: 6 } as const
const preferenceAttribute = { maxWorkspaceBytes: 1, reductionSchemes: 3, alignments: [5, 6, 7, 8] } as const
/** Of the ways to put parts of sums together, the one that keeps them as f32 until the end. */
const REDUCTION_COMPUTE_TYPE = 2

/** What NVIDIA advises for Hopper; older cards are content with less. */
const WORKSPACE_BYTES = 32 * 2 ** 20
/** `cublasLtMatmulHeuristicResult_t`: the algorithm, the workspace that it takes, a status, a float and four integers. */
const algorithmBytes = 64
const resultBytes = algorithmBytes + 8 + 4 + 4 + 16
/** Products whose algorithms are remembered. */
const MOST_PLANS = 256
/** What an address is a multiple of at most, as far as algorithms look at it. */
const ALIGNMENT = 256

/** A call did not succeed; the message says which and why. */
class Refused extends Error {}

const checked = (call: string, status: number | string | null): void => {
  if (status !== SUCCESS) throw new Refused(`${call} failed: ${statusNames[Number(status)] ?? 'an unknown status'} (${Number(status)})`)
}

/** What the library is told of a product. */
export interface Described {
  readonly operation: Handle
  /** The right operand is the library's first. */
  readonly first: Handle
  readonly second: Handle
  readonly result: Handle
}

/** The calls that need neither a device nor a handle of the library's. */
export class Descriptions {
  private readonly out: NativeBlock
  private readonly value: NativeBlock

  constructor(
    koffi: Koffi,
    private readonly call: CublasLtCalls,
  ) {
    this.out = new NativeBlock(koffi, 8)
    this.value = new NativeBlock(koffi, 8)
  }

  /** @throws Refused, with nothing left */
  product({ dtype, batch, rows, columns, inner, left, right }: ProductSize): Described {
    const made: { operation?: Handle; first?: Handle; second?: Handle; result?: Handle } = {}
    // Columns of the library's matrix, which are rows of ours, and how far they are apart: as many elements as one has.
    const layout = (length: number, count: number, batched: boolean): Handle => this.layout(dtype, length, count, batch, batched)
    try {
      const operation = (made.operation = this.made(
        'cublasLtMatmulDescCreate',
        this.call.cublasLtMatmulDescCreate(this.out.address, COMPUTE_32F, dataTypes.f32),
      ))
      if (right.transposed) this.set('cublasLtMatmulDescSetAttribute', operation, operationAttribute.transposesFirst, OP_TRANSPOSED, 4)
      if (left.transposed) this.set('cublasLtMatmulDescSetAttribute', operation, operationAttribute.transposesSecond, OP_TRANSPOSED, 4)
      const first = (made.first = right.transposed ? layout(inner, columns, right.batched) : layout(columns, inner, right.batched))
      const second = (made.second = left.transposed ? layout(rows, inner, left.batched) : layout(inner, rows, left.batched))
      const result = (made.result = layout(columns, rows, true))
      return { operation, first, second, result }
    } catch (error) {
      this.destroy(made)
      throw error
    }
  }

  destroy({ operation, first, second, result }: Partial<Described>): void {
    if (operation !== undefined) this.call.cublasLtMatmulDescDestroy(operation)
    for (const layout of [first, second, result]) if (layout !== undefined) this.call.cublasLtMatrixLayoutDestroy(layout)
  }

  /** What may be chosen: so much workspace, sums that stay f32, and matrices whose addresses are multiples of so many bytes. */
  preference(workspaceBytes: number, [first, second, result]: readonly [number, number, number]): Handle {
    const preference = this.made('cublasLtMatmulPreferenceCreate', this.call.cublasLtMatmulPreferenceCreate(this.out.address))
    try {
      const set = (attribute: number, value: number, bytes: 4 | 8): void =>
        this.set('cublasLtMatmulPreferenceSetAttribute', preference, attribute, value, bytes)
      set(preferenceAttribute.maxWorkspaceBytes, workspaceBytes, 8)
      set(preferenceAttribute.reductionSchemes, REDUCTION_COMPUTE_TYPE, 4)
      ;[first, second, result, result].forEach((alignment, which) => set(preferenceAttribute.alignments[which]!, alignment, 4))
      return preference
    } catch (error) {
      this.call.cublasLtMatmulPreferenceDestroy(preference)
      throw error
    }
  }

  private layout(dtype: ProductSize['dtype'], length: number, count: number, batch: number, batched: boolean): Handle {
    const created = this.call.cublasLtMatrixLayoutCreate(this.out.address, dataTypes[dtype], length, count, length)
    const layout = this.made('cublasLtMatrixLayoutCreate', created)
    if (batch === 1) return layout
    try {
      this.set('cublasLtMatrixLayoutSetAttribute', layout, layoutAttribute.batchCount, batch, 4)
      this.set('cublasLtMatrixLayoutSetAttribute', layout, layoutAttribute.batchStride, batched ? length * count : 0, 8)
      return layout
    } catch (error) {
      this.call.cublasLtMatrixLayoutDestroy(layout)
      throw error
    }
  }

  private made(call: Entry, status: number | string | null): Handle {
    checked(call, status)
    return this.out.words[0]! + this.out.words[1]! * 2 ** 32
  }

  private set(call: Entry, what: Handle, attribute: number, value: number, bytes: 4 | 8): void {
    this.value.setPointer(0, value)
    checked(`${call} (${attribute})`, this.call[call](what, attribute, this.value.address, bytes))
  }
}

interface Plan extends Described {
  readonly algorithm: NativeBlock
}

/** The entries of a library. @throws TensorError `DEVICE` when one is missing */
export function cublasLtCalls(library: ReturnType<Koffi['load']>, name: string): CublasLtCalls {
  const bind = (symbol: string, parameters: readonly string[]): NativeFunction => {
    try {
      return library.func(symbol, 'int', [...parameters]) as unknown as NativeFunction
    } catch (cause) {
      throw new TensorError('DEVICE', `${name} has no ${symbol}: it is no cuBLASLt, or one older than CUDA 11`, { cause })
    }
  }
  return Object.fromEntries(Object.entries(signatures).map(([symbol, parameters]) => [symbol, bind(symbol, parameters)])) as CublasLtCalls
}

/** `12.9.3` for 120903. */
const printVersion = (version: number): string => [version / 10000, (version % 10000) / 100, version % 100].map(Math.floor).join('.')

/**
 * Makes a loaded library ready for the device whose context is current.
 *
 * @throws TensorError `DEVICE` when it is another library, or refuses the device: without one, or with a driver older than it needs
 */
export function openLibcublasLt(koffi: Koffi, library: ReturnType<Koffi['load']>, name: string): MatrixLibrary {
  const call = cublasLtCalls(library, name)
  const version = (library.func('cublasLtGetVersion', size, []) as unknown as NativeFunction)() as number
  const out = new NativeBlock(koffi, 8)
  const description = `cuBLASLt ${printVersion(Number(version))} (${name})`
  try {
    checked('cublasLtCreate', call.cublasLtCreate(out.address))
  } catch (cause) {
    throw new TensorError('DEVICE', `${description}: ${(cause as Error).message}`, { cause })
  }
  return new LibcublasLt(koffi, call, out.words[0]! + out.words[1]! * 2 ** 32, description)
}

class LibcublasLt implements MatrixLibrary {
  readonly workspaceBytes = WORKSPACE_BYTES
  private readonly descriptions: Descriptions
  /** Algorithms by product, the one used last at the end; a text says why there is none. */
  private readonly plans = new Map<string, Plan | string>()
  /** The factors of the product and of what the result held before, which is not read where it is zero. */
  private readonly factors: NativeBlock
  private readonly count: NativeBlock
  private readonly found: NativeBlock

  constructor(
    private readonly koffi: Koffi,
    private readonly call: CublasLtCalls,
    private readonly handle: Handle,
    readonly description: string,
  ) {
    this.descriptions = new Descriptions(koffi, call)
    this.factors = new NativeBlock(koffi, 8)
    new Float32Array(this.factors.memory).set([1, 0])
    this.count = new NativeBlock(koffi, 8)
    this.found = new NativeBlock(koffi, resultBytes)
  }

  multiply(product: ProductSize, at: ProductPointers, workspace: DevicePointer, stream: Handle): string | undefined {
    const plan = this.planOf(product)
    if (typeof plan === 'string') return plan
    const { operation, first, second, result, algorithm } = plan
    const [factor, former] = [this.factors.address, this.factors.address + 4]
    try {
      checked(
        'cublasLtMatmul',
        this.call.cublasLtMatmul(
          this.handle,
          operation,
          factor,
          at.right,
          first,
          at.left,
          second,
          former,
          at.result,
          result,
          at.result,
          result,
          algorithm.address,
          workspace,
          this.workspaceBytes,
          stream,
        ),
      )
      return undefined
    } catch (error) {
      return reasonOf(error)
    }
  }

  close(): void {
    for (const plan of this.plans.values()) if (typeof plan !== 'string') this.descriptions.destroy(plan)
    this.plans.clear()
    // A status says nothing here that anybody could act upon.
    this.call.cublasLtDestroy(this.handle)
  }

  private planOf(product: ProductSize): Plan | string {
    const { key } = product
    let plan = this.plans.get(key)
    if (plan === undefined) {
      try {
        plan = this.plan(product)
      } catch (error) {
        plan = reasonOf(error)
      }
    } else this.plans.delete(key)
    this.plans.set(key, plan)
    if (this.plans.size > MOST_PLANS) {
      const [oldest, old] = this.plans.entries().next().value as [string, Plan | string]
      this.plans.delete(oldest)
      if (typeof old !== 'string') this.descriptions.destroy(old)
    }
    return plan
  }

  /** Asks the library for the algorithm that it thinks fastest. */
  private plan(product: ProductSize): Plan {
    const described = this.descriptions.product(product)
    let preference: Handle | undefined
    try {
      preference = this.descriptions.preference(this.workspaceBytes, alignmentsOf(product))
      const { operation, first, second, result } = described
      this.count.words.fill(0)
      checked(
        'cublasLtMatmulAlgoGetHeuristic',
        this.call.cublasLtMatmulAlgoGetHeuristic(
          this.handle,
          operation,
          first,
          second,
          result,
          result,
          preference,
          1,
          this.found.address,
          this.count.address,
        ),
      )
      if (this.count.words[0] === 0) throw new Refused('cublasLtMatmulAlgoGetHeuristic found no algorithm')
      checked('cublasLtMatmulAlgoGetHeuristic (its result)', this.found.words[algorithmBytes / 4 + 2]!)
      const algorithm = new NativeBlock(this.koffi, algorithmBytes)
      algorithm.words.set(this.found.words.subarray(0, algorithmBytes / 4))
      return { ...described, algorithm }
    } catch (error) {
      this.descriptions.destroy(described)
      throw error
    } finally {
      if (preference !== undefined) this.call.cublasLtMatmulPreferenceDestroy(preference)
    }
  }
}

/** What the addresses of all matrices of a batch are multiples of: the first of each operand is one of 256, the others lie a matrix further on each. */
function alignmentsOf({ batch, rows, columns, inner, left, right }: ProductSize): readonly [first: number, second: number, result: number] {
  const of = (elements: number, batched: boolean): number => {
    let alignment = ALIGNMENT
    while (batch > 1 && batched && (2 * elements) % alignment !== 0) alignment /= 2
    return alignment
  }
  return [of(inner * columns, right.batched), of(rows * inner, left.batched), of(rows * columns, true)]
}

function reasonOf(error: unknown): string {
  if (error instanceof Refused) return error.message
  throw error
}
