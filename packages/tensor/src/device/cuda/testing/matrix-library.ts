/** A library of matrix products on the memory of an emulated device, which looks at what it is given and fails the test where that is wrong. */
import { stepsOf, type ProductSize } from '../../../compile/plain-product.js'
import { decodeStorage, encodeStorage } from '../../../dtype.js'
import type { MatrixLibrary } from '../matrix-library.js'
import type { DeviceMemory } from './device-memory.js'
import type { EmulatedDriver } from './driver.js'

export interface EmulatedLibrary extends MatrixLibrary {
  /** Keys of the products that it has put on streams since the last look. */
  multiplied(): string[]
  readonly closed: boolean
}

const WORKSPACE = 1024

/** @param refuses why the library does not take a product; default it takes all */
export function emulatedLibrary(
  driver: EmulatedDriver,
  refuses: (product: ProductSize) => string | undefined = () => undefined,
): EmulatedLibrary {
  let keys: string[] = []
  let closed = false
  return {
    description: 'emulated library',
    workspaceBytes: WORKSPACE,
    multiplied() {
      const seen = keys
      keys = []
      return seen
    },
    get closed() {
      return closed
    },
    multiply(product, at, workspace, stream) {
      if (closed) throw new Error('a library that was closed is asked for a product')
      const reason = refuses(product)
      if (reason !== undefined) return reason
      if (!(stepsOf(product) > 0)) throw new Error(`product ${product.key} has no elements`)
      driver.submit('multiply', stream, (memory) => {
        // What it keeps there is its own until it has ended.
        checked(memory, 'workspace', workspace, WORKSPACE, false).fill(0xab)
        memory.markWritten(workspace, WORKSPACE)
        const { batch, rows, columns, inner, left, right, dtype } = product
        const operand = (name: string, pointer: number, elements: number, batched: boolean): Float32Array =>
          decodeStorage(dtype, checked(memory, name, pointer, 2 * elements * (batched ? batch : 1), true)) as Float32Array
        const a = operand('left', at.left, rows * inner, left.batched)
        const b = operand('right', at.right, inner * columns, right.batched)
        const result = new Float32Array(batch * rows * columns)
        const [aRow, aStep] = left.transposed ? [1, rows] : [inner, 1]
        const [bStep, bColumn] = right.transposed ? [1, inner] : [columns, 1]
        for (let i = 0; i < result.length; i++) {
          const [column, row, which] = [i % columns, Math.floor(i / columns) % rows, Math.floor(i / columns / rows)]
          const first = (left.batched ? which * rows * inner : 0) + row * aRow
          const second = (right.batched ? which * inner * columns : 0) + column * bColumn
          let sum = 0
          for (let k = 0; k < inner; k++) sum = Math.fround(sum + a[first + k * aStep]! * b[second + k * bStep]!)
          result[i] = sum
        }
        checked(memory, 'result', at.result, 2 * result.length, false).set(encodeStorage(dtype, result))
        memory.markWritten(at.result, 2 * result.length)
      })
      keys.push(product.key)
      return undefined
    },
    close() {
      if (closed) throw new Error('a library was closed twice')
      closed = true
    },
  }
}

function checked(memory: DeviceMemory, name: string, pointer: number, bytes: number, reads: boolean): Uint8Array {
  const problem = memory.problem(pointer, bytes, 256, reads, true)
  if (problem !== undefined) throw new Error(`${name}: ${problem.message}`)
  return memory.range(pointer, bytes)
}
