/**
 * What the CUDA device asks of NVIDIA's driver: one method for each of its calls, with the status checked. `libcuda.ts` makes the calls by FFI; tests put an emulator in
 * its place. Names and numbers are those of the CUDA Driver API's documentation.
 */

/** An address in the device's memory; below 2^53, as drivers hand them out. */
export type DevicePointer = number
/** What the driver names contexts, modules, functions, streams, events and graphs by. */
export type Handle = number

/** Memory of the host that the device reaches, which copies may go on reading or writing after the call. */
export interface PinnedMemory {
  readonly pointer: Handle
  readonly bytes: Uint8Array
}

/** `CUdevice_attribute`, those asked for. */
export const deviceAttribute = {
  maxThreadsPerBlock: 1,
  maxBlockDimX: 2,
  maxBlockDimY: 3,
  maxBlockDimZ: 4,
  maxGridDimX: 5,
  maxGridDimY: 6,
  maxSharedMemoryPerBlock: 8,
  warpSize: 10,
  multiprocessorCount: 16,
  computeCapabilityMajor: 75,
  computeCapabilityMinor: 76,
  maxSharedMemoryPerBlockOptin: 97,
  memoryPoolsSupported: 115,
} as const
export type DeviceAttribute = (typeof deviceAttribute)[keyof typeof deviceAttribute]

/** `CUfunction_attribute`, those asked for. */
export const functionAttribute = { sharedBytes: 1, localBytes: 3, registers: 4, maxDynamicSharedBytes: 8 } as const
export type FunctionAttribute = (typeof functionAttribute)[keyof typeof functionAttribute]

export type Dim3 = readonly [number, number, number]

/**
 * Every method throws `TensorError` when the driver answers with anything but success: `OUT_OF_MEMORY` for CUDA_ERROR_OUT_OF_MEMORY (2), `DEVICE_LOST` for statuses after which a
 * context is of no more use (700 illegal address, 702 timeout, 714 to 719, 4 deinitialised), `DEVICE` for those that say that there is none to use (34 stub library, 100, 101, 803, 804),
 * `RUNTIME` for others (`status.ts`); the message names the call, what it was about, the code and its name.
 */
export interface CudaDriver {
  /** For people: 'libcuda.so.1, CUDA 12.4'. */
  readonly description: string
  init(): void
  /** 12040 for 12.4. */
  driverVersion(): number
  deviceCount(): number
  deviceName(device: number): string
  deviceTotalBytes(device: number): number
  deviceAttribute(attribute: DeviceAttribute, device: number): number
  primaryContextRetain(device: number): Handle
  primaryContextRelease(device: number): void
  /** Contexts belong to threads: called on the thread that makes the other calls. */
  contextSetCurrent(context: Handle): void
  /** Lets the device's pool of memory keep up to so many freed bytes for what is allocated next, which it would give back at each synchronisation. For drivers that have one. */
  keepFreedMemory?(device: number, bytes: number): void
  /** Gives the pool's freed memory back. */
  releaseFreedMemory?(device: number): void
  memoryInfo(): { readonly free: number; readonly total: number }
  /** Compiles PTX for the device. @throws TensorError `KERNEL` with the compiler's log when it refuses the text */
  moduleLoad(ptx: string): Handle
  moduleUnload(module: Handle): void
  moduleFunction(module: Handle, name: string): Handle
  functionAttribute(attribute: FunctionAttribute, fn: Handle): number
  functionSetAttribute(attribute: FunctionAttribute, fn: Handle, value: number): void
  streamCreate(): Handle
  streamDestroy(stream: Handle): void
  streamSynchronize(stream: Handle): void
  allocAsync(bytes: number, stream: Handle): DevicePointer
  freeAsync(pointer: DevicePointer, stream: Handle): void
  hostAlloc(bytes: number): PinnedMemory
  hostFree(memory: PinnedMemory): void
  copyToDeviceAsync(to: DevicePointer, from: PinnedMemory, bytes: number, stream: Handle): void
  copyToHostAsync(to: PinnedMemory, from: DevicePointer, bytes: number, stream: Handle): void
  copyOnDeviceAsync(to: DevicePointer, from: DevicePointer, bytes: number, stream: Handle): void
  setBytesAsync(to: DevicePointer, byte: number, bytes: number, stream: Handle): void
  /** Parameters are addresses, eight bytes each, in the order of the kernel's. */
  launch(fn: Handle, grid: Dim3, block: Dim3, dynamicSharedBytes: number, stream: Handle, parameters: readonly DevicePointer[]): void
  eventCreate(): Handle
  eventDestroy(event: Handle): void
  eventRecord(event: Handle, stream: Handle): void
  /** Whether what came before it has ended. */
  eventDone(event: Handle): boolean
  /** Calls on the stream are collected from here on instead of made. */
  captureBegin(stream: Handle): void
  captureEnd(stream: Handle): Handle
  graphInstantiate(graph: Handle): Handle
  graphLaunch(executable: Handle, stream: Handle): void
  graphDestroy(graph: Handle): void
  graphExecutableDestroy(executable: Handle): void
  /** Lets go of what calls need on this side; handles are of no more use. */
  close(): void
}
