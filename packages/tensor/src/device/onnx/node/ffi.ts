/**
 * The few things this device needs of koffi. Pointers are JavaScript numbers throughout: user-space addresses fit in 48
 * bits, and a number costs nothing to pass where a BigInt or a wrapped pointer is an allocation.
 */
import type koffiNamespace from 'koffi'
import { TensorError } from '../../../errors.js'
import { installNative } from './library.js'

export type Koffi = typeof koffiNamespace

/** A native function. `async` runs it on one of koffi's threads. */
export interface NativeFunction {
  (...args: (number | string | null)[]): number | string | null
  async(...args: [...(number | string | null)[], (error: unknown, result: number) => void]): void
}

/** Loads koffi. @throws TensorError DEVICE with the command that installs it (by default with ONNX Runtime, which the CPU needs too). */
export async function loadKoffi(install = installNative, load: () => Promise<unknown> = () => import('koffi')): Promise<Koffi> {
  try {
    const module = (await load()) as unknown as { default?: Koffi } & Koffi
    return module.default ?? module
  } catch (cause) {
    const missing = (cause as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'
    const detail = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new TensorError(
      'DEVICE',
      missing ? `the package koffi is not installed. Run: ${install}` : `koffi could not be loaded (${detail}). Run: ${install}`,
      { cause },
    )
  }
}

const stackBytes = 8 * 1024 * 1024

/**
 * koffi runs native code on stacks of its own, 128 KiB for asynchronous calls: less than any thread that ONNX Runtime, or MPI, is
 * made for. They are mapped, not touched, so a thread's usual 8 MiB costs nothing.
 */
export function growStacks(koffi: Koffi): void {
  try {
    const { sync_stack_size: sync = 0, async_stack_size: async = 0 } = koffi.config()
    koffi.config({ sync_stack_size: Math.max(sync, stackBytes), async_stack_size: Math.max(async, stackBytes) })
  } catch {
    // Somebody has loaded a library with koffi before; its stacks were settled then and have been enough so far.
  }
}

// Function pointers live as long as the library, so a library once opened is kept for the process.
const opened = new Map<string, ReturnType<Koffi['load']>>()

/**
 * Opens a shared library and keeps it mapped until the process has gone: koffi closes libraries when its own state is
 * torn down, which would pull the code from under the threads that the library has started.
 * @throws TensorError DEVICE with the loader's words and `help`.
 */
export function openLibrary(koffi: Koffi, path: string, help = `Reinstall it: ${installNative}`): ReturnType<Koffi['load']> {
  const present = opened.get(path)
  if (present !== undefined) return present
  growStacks(koffi)
  let library: ReturnType<Koffi['load']>
  try {
    library = koffi.load(path)
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new TensorError('DEVICE', `the library ${path} could not be loaded: ${detail}. ${help}`, { cause })
  }
  pin(koffi, path)
  opened.set(path, library)
  return library
}

const RTLD_NOW = 2
const RTLD_NODELETE: Readonly<Record<string, number>> = { linux: 0x1000, darwin: 0x80, freebsd: 0x2000 }
const GET_MODULE_HANDLE_EX_FLAG_PIN = 1

/** Raises the library's reference count for good. Where that cannot be done the library may be unloaded at exit. */
function pin(koffi: Koffi, path: string): void {
  try {
    if (process.platform === 'win32') {
      const getModuleHandle = koffi.load('kernel32.dll').func('GetModuleHandleExW', 'bool', ['uint32_t', 'str16', 'void *'])
      getModuleHandle(GET_MODULE_HANDLE_EX_FLAG_PIN, path, Buffer.alloc(8))
    } else {
      const open = koffi.load(null).func('dlopen', 'void *', ['str', 'int'])
      open(path, RTLD_NOW | (RTLD_NODELETE[process.platform] ?? 0))
    }
  } catch {
    // Pinning guards the last moments of the process only; everything before works without it.
  }
}

/** Address of an ArrayBuffer's memory. V8 never moves it while the buffer lives. */
export const addressOf = (koffi: Koffi, memory: ArrayBuffer): number => Number(koffi.address(memory))

/** A native cell that receives out-parameters: one per API object, reused by every call. */
export class OutCell {
  private readonly words: Uint32Array
  readonly address: number

  constructor(koffi: Koffi) {
    const memory = new ArrayBuffer(16)
    this.words = new Uint32Array(memory)
    this.address = addressOf(koffi, memory)
  }

  clear(): void {
    this.words.fill(0)
  }
  /** The pointer or size in the cell's first 8 bytes. */
  get pointer(): number {
    return this.words[0]! + this.words[1]! * 2 ** 32
  }
}

/** Native memory for C strings and pointer arrays, kept alive by its owner. */
export class NativeBlock {
  readonly memory: ArrayBuffer
  readonly address: number
  readonly words: Uint32Array

  constructor(koffi: Koffi, bytes: number) {
    this.memory = new ArrayBuffer(Math.max(8, (bytes + 7) & ~7))
    this.address = addressOf(koffi, this.memory)
    this.words = new Uint32Array(this.memory)
  }

  /** Writes a pointer (or any integer below 2^53) at 8-byte slot `index`. */
  setPointer(index: number, value: number): void {
    this.words[2 * index] = value
    this.words[2 * index + 1] = value / 2 ** 32
  }
}

/** C strings one after another, and the address of each. */
export function cStrings(koffi: Koffi, strings: readonly string[]): { readonly block: NativeBlock; readonly addresses: readonly number[] } {
  const encoded = strings.map((text) => new TextEncoder().encode(text))
  const block = new NativeBlock(
    koffi,
    encoded.reduce((sum, bytes) => sum + bytes.length + 1, 0),
  )
  const target = new Uint8Array(block.memory)
  const addresses: number[] = []
  let at = 0
  for (const bytes of encoded) {
    target.set(bytes, at)
    addresses.push(block.address + at)
    at += bytes.length + 1
  }
  return { block, addresses }
}
