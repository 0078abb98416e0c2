import type { Kernel } from '../../../kernel/ir.js'
import { dynamicSharedBytes, printPtx, type PtxTarget } from '../../../kernel/print-ptx.js'
import { emulatedDriver } from './driver.js'
import type { EmulatorOptions } from './driver-state.js'
import { functionAttribute, type Dim3 } from '../driver.js'

type Numbers = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array

export interface LaunchOptions extends EmulatorOptions {
  readonly grid?: Dim3
  readonly dynamicSharedBytes?: number
}

/**
 * Runs the only kernel of a PTX text on arrays, which are read and written; a size in bytes stands for memory that holds nothing yet. For tests of kernels.
 *
 * @throws TensorError with what the kernel did wrong
 */
export function launchPtx(ptx: string, block: Dim3, arrays: readonly Numbers[], options: LaunchOptions = {}): void {
  const driver = emulatedDriver({ capability: [9, 0], streams: 'eager', ...options })
  driver.init()
  driver.contextSetCurrent(driver.primaryContextRetain(0))
  const fn = driver.moduleFunction(driver.moduleLoad(ptx), /\.entry\s+(\w+)/.exec(ptx)?.[1] ?? '')
  const shared = options.dynamicSharedBytes ?? 0
  if (shared > 0) driver.functionSetAttribute(functionAttribute.maxDynamicSharedBytes, fn, shared)
  const bytesOf = (array: Numbers): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const pointers = arrays.map((array) => {
    const pointer = driver.allocAsync(array.byteLength, 0)
    const pinned = driver.hostAlloc(array.byteLength)
    pinned.bytes.set(bytesOf(array))
    driver.copyToDeviceAsync(pointer, pinned, array.byteLength, 0)
    return { array, pointer, pinned }
  })
  driver.launch(
    fn,
    options.grid ?? [1, 1, 1],
    block,
    shared,
    0,
    pointers.map(({ pointer }) => pointer),
  )
  for (const { array, pointer, pinned } of pointers) {
    driver.copyToHostAsync(pinned, pointer, array.byteLength, 0)
    driver.streamSynchronize(0)
    bytesOf(array).set(pinned.bytes)
  }
}

export interface KernelLaunch extends LaunchOptions {
  readonly target?: PtxTarget
  /** In the order of the kernel's. */
  readonly uniforms?: readonly number[]
}

/** Prints a kernel, and runs it on arrays in the order of its storages. */
export function launchKernel(kernel: Kernel, arrays: readonly Numbers[], options: KernelLaunch = {}): void {
  const { uniforms = [], target = 'sm_75' } = options
  const words = new Uint32Array(kernel.uniforms.length)
  kernel.uniforms.forEach(({ scalar }, i) => {
    if (scalar === 'f32') new Float32Array(words.buffer)[i] = uniforms[i]!
    else words[i] = uniforms[i]!
  })
  launchPtx(printPtx(kernel, { target }), kernel.workgroup, [...arrays, ...(words.length > 0 ? [words] : [])], {
    dynamicSharedBytes: dynamicSharedBytes(kernel),
    ...options,
  })
}
