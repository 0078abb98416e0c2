/**
 * ONNX Runtime's C API: a struct of function pointers to which entries are only ever appended, so an index stays what it
 * is. Indices were counted from the list in onnxruntime/core/session/onnxruntime_c_api.cc and agree with the offsets
 * that file asserts at the end of every API version (101, 118, 124, 126, 149, 169, 218, 284, 317).
 */
import { TensorError } from '../../../errors.js'
import { OutCell, openLibrary, type Koffi, type NativeFunction } from './ffi.js'

/** The version asked for. Any runtime from 1.20 on gives it. */
export const apiVersion = 20

const ptr = 'uint64_t'
const size = 'size_t'
const text = 'str'
/** ONNX Runtime's path characters are wide on Windows. */
const path = process.platform === 'win32' ? 'str16' : 'str'
/** The result is an OrtStatus to be checked and released; 0 is success. */
const status = 'uint64_t'

type Entry = readonly [index: number, result: string, args: readonly string[]]

/** Every entry used here: its index and its C signature with all pointers as integers. */
export const apiEntries = {
  GetErrorCode: [1, 'int', [ptr]],
  GetErrorMessage: [2, text, [ptr]],
  CreateEnv: [3, status, ['int', text, ptr]],
  CreateSessionFromArray: [8, status, [ptr, ptr, size, ptr, ptr]],
  Run: [9, status, [ptr, ptr, ptr, ptr, size, ptr, size, ptr]],
  CreateSessionOptions: [10, status, [ptr]],
  EnableProfiling: [14, status, [ptr, path]],
  SetSessionLogSeverityLevel: [22, status, [ptr, 'int']],
  SetSessionGraphOptimizationLevel: [23, status, [ptr, 'int']],
  SetIntraOpNumThreads: [24, status, [ptr, 'int']],
  SetInterOpNumThreads: [25, status, [ptr, 'int']],
  CreateRunOptions: [39, status, [ptr]],
  RunOptionsSetRunLogSeverityLevel: [41, status, [ptr, 'int']],
  RunOptionsSetTerminate: [46, status, [ptr]],
  RunOptionsUnsetTerminate: [47, status, [ptr]],
  CreateTensorWithDataAsOrtValue: [49, status, [ptr, ptr, size, ptr, size, 'int', ptr]],
  GetTensorMutableData: [51, status, [ptr, ptr]],
  GetTensorElementType: [60, status, [ptr, ptr]],
  GetDimensionsCount: [61, status, [ptr, ptr]],
  GetDimensions: [62, status, [ptr, ptr, size]],
  GetTensorTypeAndShape: [65, status, [ptr, ptr]],
  CreateMemoryInfo: [68, status, [text, 'int', 'int', 'int', ptr]],
  CreateCpuMemoryInfo: [69, status, ['int', 'int', ptr]],
  AllocatorFree: [76, status, [ptr, ptr]],
  GetAllocatorWithDefaultOptions: [78, status, [ptr]],
  ReleaseEnv: [92, 'void', [ptr]],
  ReleaseStatus: [93, 'void', [ptr]],
  ReleaseMemoryInfo: [94, 'void', [ptr]],
  ReleaseSession: [95, 'void', [ptr]],
  ReleaseValue: [96, 'void', [ptr]],
  ReleaseRunOptions: [97, 'void', [ptr]],
  ReleaseTensorTypeAndShapeInfo: [99, 'void', [ptr]],
  ReleaseSessionOptions: [100, 'void', [ptr]],
  SessionEndProfiling: [110, status, [ptr, ptr, ptr]],
  CreateEnvWithGlobalThreadPools: [119, status, ['int', text, ptr, ptr]],
  DisablePerSessionThreads: [120, status, [ptr]],
  CreateThreadingOptions: [121, status, [ptr]],
  ReleaseThreadingOptions: [122, 'void', [ptr]],
  AddSessionConfigEntry: [130, status, [ptr, text, text]],
  CreateAllocator: [131, status, [ptr, ptr, ptr]],
  ReleaseAllocator: [132, 'void', [ptr]],
  CreateAndRegisterAllocator: [144, status, [ptr, ptr, ptr]],
  SetGlobalIntraOpNumThreads: [147, status, [ptr, 'int']],
  SetGlobalInterOpNumThreads: [148, status, [ptr, 'int']],
  SetGlobalSpinControl: [149, status, [ptr, 'int']],
  AddInitializer: [150, status, [ptr, text, ptr]],
  CreateArenaCfg: [156, status, [size, 'int', 'int', 'int', ptr]],
  ReleaseArenaCfg: [157, 'void', [ptr]],
  AddRunConfigEntry: [165, status, [ptr, text, text]],
  CreatePrepackedWeightsContainer: [166, status, [ptr]],
  ReleasePrepackedWeightsContainer: [167, 'void', [ptr]],
  CreateSessionFromArrayWithPrepackedWeightsContainer: [169, status, [ptr, ptr, size, ptr, ptr, ptr]],
  AddExternalInitializers: [210, status, [ptr, ptr, ptr, size]],
} as const satisfies Readonly<Record<string, Entry>>

/** Entries appended after API version 20; there only when the runtime is new enough. */
export const newerEntries = {
  GetKeyValue: [297, text, [ptr, text]],
  ReleaseKeyValuePairs: [300, 'void', [ptr]],
  AllocatorGetStats: [319, status, [ptr, ptr]],
} as const satisfies Readonly<Record<string, Entry>>
const newerSince = 23

export type ApiName = keyof typeof apiEntries
type Functions = { readonly [Name in ApiName]: NativeFunction }
type NewerFunctions = { readonly [Name in keyof typeof newerEntries]: NativeFunction }

export interface OrtApi {
  readonly koffi: Koffi
  /** Such as '1.30.0'. */
  readonly version: string
  readonly call: Functions
  /** Undefined on runtimes older than 1.23. */
  readonly newer: NewerFunctions | undefined
  readonly out: OutCell
  /** Throws the error of a status, which is released. */
  check(status: number | string | null, doing: string): void
  /** Calls an entry whose last parameter receives a pointer, and returns that pointer. */
  make(name: ApiName, ...args: (number | string | null)[]): number
}

/** The error of a status that is not success. */
export function statusError(message: string, doing: string): TensorError {
  if (/failed to allocate memory|bad_alloc|out of memory/i.test(message))
    return new TensorError(
      'OUT_OF_MEMORY',
      `onnxruntime ran out of memory ${doing}: ${message}. Free tensors, or use a smaller batch or model`,
    )
  return new TensorError('RUNTIME', `onnxruntime failed ${doing}: ${message}`)
}

/**
 * Opens the library and reads its table.
 * @throws TensorError DEVICE when the library is too old or is not ONNX Runtime.
 */
export function openApi(koffi: Koffi, file: string): OrtApi {
  const library = openLibrary(koffi, file)
  let base: number
  try {
    base = library.func('OrtGetApiBase', ptr, [])() as number
  } catch (cause) {
    throw new TensorError('DEVICE', `${file} is not ONNX Runtime: it has no OrtGetApiBase`, { cause })
  }
  const pointerAt = (address: number): number => Number(koffi.decode.uint64(address))
  const bind = (address: number, [, result, args]: Entry): NativeFunction =>
    koffi.decode(address, koffi.proto(result, [...args])) as NativeFunction
  const version = bind(pointerAt(base + 8), [1, text, []])() as string
  const minor = Number(version.split('.')[1])
  // Asking an old runtime for a newer table makes it print to stderr, so the version is checked first.
  if (!/^1\.\d+/.test(version) || minor < apiVersion)
    throw new TensorError(
      'DEVICE',
      `${file} is onnxruntime ${version}; this package needs 1.${apiVersion} or newer of series 1. Run: npm install onnxruntime-node@^1.30.0 --ignore-scripts`,
    )
  const table = bind(pointerAt(base), [0, ptr, ['uint32_t']])(apiVersion) as number
  if (table === 0) throw new TensorError('DEVICE', `${file} (onnxruntime ${version}) gives no C API of version ${apiVersion}`)

  const bindAll = <T extends Readonly<Record<string, Entry>>>(entries: T): { readonly [Name in keyof T]: NativeFunction } =>
    Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, bind(pointerAt(table + 8 * entry[0]), entry)])) as never
  const call = bindAll(apiEntries)
  const out = new OutCell(koffi)

  const check = (value: number | string | null, doing: string): void => {
    if (value === 0) return
    const message = call.GetErrorMessage(value) as string
    call.ReleaseStatus(value)
    throw statusError(message, doing)
  }
  return {
    koffi,
    version,
    call,
    newer: minor >= newerSince ? bindAll(newerEntries) : undefined,
    out,
    check,
    make(name, ...args) {
      out.clear()
      check(call[name](...args, out.address), `in ${name}`)
      return out.pointer
    },
  }
}
