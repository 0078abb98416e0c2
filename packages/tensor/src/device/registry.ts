import { warn } from '../debug/log.js'
import { TensorError } from '../errors.js'
import { chooseDevice, type DeviceAttempt, type DeviceCandidate, type DeviceChoice } from './choose.js'
import type { CpuOptions, CpuRoute } from './cpu-route.js'
import type { Device, DeviceKind, DeviceName } from './device.js'
import { nullDevice } from './null/device.js'
import { referenceDevice } from './reference/device.js'
import { findWebGpu } from './webgpu/find.js'

export interface ResolveOptions extends CpuOptions {
  /** Path of NVIDIA's driver for `'cuda'`, instead of where it is installed (or what the environment variable TESSERAE_CUDA_DRIVER names). Node only. */
  readonly driver?: string
  /**
   * For `'cuda'`: path of NVIDIA's library cuBLASLt, which multiplies large matrices of f16 and bf16 where it is there, or false to leave it alone. Default: what the
   * environment variable TESSERAE_CUBLASLT names (a path, or `off`), else what the system's loader finds. Node only.
   */
  readonly cublasLt?: string | false
  /** Receives warnings instead of the package's listeners (`onWarning`). */
  readonly onWarning?: (message: string) => void
  /** Told what `'auto'` chose, and why not something faster. */
  readonly onChoice?: (choice: DeviceChoice) => void
}

/**
 * Largest tensor that the reference interpreter holds when it stands in for a missing runtime: enough to try things
 * out and to read small results, too little to train on by mistake at a thousandth of the speed.
 */
export const fallbackLimitBytes = 16 * 1024 * 1024

const open = new Map<string, Promise<Device>>()
const choices = new Map<string, Promise<DeviceChoice>>()

/**
 * A device by name; an object is returned as it is. Equal names and options give the same device until it is
 * disposed. `'cpu'` (the default) tries ONNX Runtime's C API, the onnxruntime-node binding and onnxruntime-web (in
 * browsers only the last), then the reference interpreter with a warning and a limit of 16 MiB for one tensor.
 * `'webgpu'` is the browser's, or in Node that of the npm package `webgpu`. `'cuda'` is NVIDIA's graphics card, in Node, by the installed driver and the npm package `koffi`.
 * `'auto'` is the fastest of them that works here, see {@link explainDevice}.
 * @throws TensorError DEVICE when the device is not there, or its name is unknown.
 */
export function resolveDevice(spec?: DeviceName | Device, options: ResolveOptions = {}): Promise<Device> {
  if (typeof spec === 'object') return Promise.resolve(spec)
  const name = spec ?? 'cpu'
  if (name !== 'auto') return remembered(open, name, options, isAlive, () => create(name, options))
  return explainDevice(options).then(({ device }) => device)
}

/**
 * The device that `'auto'` stands for, and why nothing faster: `'cuda'`, else `'webgpu'` where the adapter is hardware (one in
 * software computes on the processor, slower than `'cpu'`), else `'cpu'`. A device is taken when it opens and computes
 * a small product correctly. The choice is made once, and again when the device was disposed or lost.
 */
export async function explainDevice(options: ResolveOptions = {}): Promise<DeviceChoice> {
  const choose = (): Promise<DeviceChoice> => chooseDevice(candidates(options))
  const choice = await remembered(choices, 'auto', options, ({ device }) => isAlive(device), choose)
  options.onChoice?.(choice)
  return choice
}

/** From the fastest on. */
const candidates = ({ library, ...options }: ResolveOptions): readonly DeviceCandidate[] => [
  { name: 'cuda', open: () => resolveDevice('cuda', options) },
  {
    name: 'webgpu',
    open: async () => {
      const { report } = await findWebGpu()
      if (report.software) throw new TensorError('DEVICE', softwareReason(report.names.at(-1) ?? 'unnamed'))
      return resolveDevice('webgpu', options)
    },
  },
  // A library is ONNX Runtime's: the driver is where drivers are.
  { name: 'cpu', open: () => resolveDevice('cpu', { ...options, ...(library === undefined ? {} : { library }) }) },
]

const softwareReason = (name: string): string =>
  `its adapter ${name} is software, which computes on the processor and slower than device 'cpu'; name 'webgpu' to use it all the same`

/** What was made for a name and options before, while it is of use. */
function remembered<T>(
  all: Map<string, Promise<T>>,
  name: string,
  { threads, library, driver, cublasLt }: ResolveOptions,
  isUsable: (value: T) => boolean,
  make: () => Promise<T>,
): Promise<T> {
  const key = `${name} ${threads ?? ''} ${library ?? ''} ${driver ?? ''} ${cublasLt ?? ''}`
  const present = all.get(key)
  const making = present === undefined ? make() : present.then((value) => (isUsable(value) ? value : make()))
  all.set(key, making)
  making.catch(() => {
    if (all.get(key) === making) all.delete(key)
  })
  return making
}

async function create(name: DeviceKind, options: ResolveOptions): Promise<Device> {
  switch (name) {
    case 'cpu': {
      const { cpuRoutes } = await import('#cpu')
      return openCpu(cpuRoutes, options)
    }
    case 'reference':
      return referenceDevice()
    case 'null':
      return nullDevice()
    case 'webgpu':
      return (await findWebGpu()).open()
    case 'cuda': {
      const { openCudaDevice } = await import('#cuda')
      return openCudaDevice(options.driver, options.cublasLt)
    }
    default:
      throw new TensorError(
        'DEVICE',
        `no device is called '${String(name satisfies never)}'; expected 'auto', 'cpu', 'webgpu', 'cuda', 'reference' or 'null'`,
      )
  }
}

/** The first route that opens, else the reference interpreter. */
export async function openCpu(routes: readonly CpuRoute[], options: ResolveOptions): Promise<Device> {
  const tell = options.onWarning ?? warn
  const attempts: DeviceAttempt[] = []
  for (const route of routes) {
    try {
      const device = await route.open(options)
      if (attempts.length > 0)
        tell(`device 'cpu' runs on ${device.description}, because a faster way was not available.\n${listAttempts(attempts)}`)
      return device
    } catch (error) {
      // A wrong option is the caller's mistake, not a missing runtime.
      if (TensorError.isInstance(error) && error.code === 'VALUE') throw error
      attempts.push({ route: route.title, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  const reason = `No runtime for device 'cpu' could be opened:\n${listAttempts(attempts)}`
  tell(
    `${reason}\nThe reference interpreter is used instead: it is about a thousand times slower and takes tensors of at most ${fallbackLimitBytes / 1024 / 1024} MiB.`,
  )
  return referenceDevice({ maxBytes: fallbackLimitBytes, reason })
}

export const listAttempts = (attempts: readonly DeviceAttempt[]): string =>
  attempts.map(({ route, reason }) => `- ${route}: ${reason}`).join('\n')

/** A disposed device refuses to allocate. */
function isAlive(device: Device): boolean {
  if (device.gone !== undefined) return !device.gone
  try {
    device.free(device.alloc(0))
    return true
  } catch {
    return false
  }
}
