import { warn } from '../debug/log.js'
import { TensorError } from '../errors.js'
import type { CpuOptions, CpuRoute } from './cpu-route.js'
import type { Device, DeviceName } from './device.js'
import { nullDevice } from './null/device.js'
import { referenceDevice } from './reference/device.js'

/** A way to compute that was tried and why it failed; `reason` ends with the command that helps. */
export interface DeviceAttempt {
  readonly route: string
  readonly reason: string
}

export interface ResolveOptions extends CpuOptions {
  /** Path of NVIDIA's driver for `'cuda'`, instead of where it is installed (or what the environment variable TESSERAE_CUDA_DRIVER names). Node only. */
  readonly driver?: string
  /** Receives warnings instead of the package's listeners (`onWarning`). */
  readonly onWarning?: (message: string) => void
}

/**
 * Largest tensor that the reference interpreter holds when it stands in for a missing runtime: enough to try things
 * out and to read small results, too little to train on by mistake at a thousandth of the speed.
 */
export const fallbackLimitBytes = 16 * 1024 * 1024

const open = new Map<string, Promise<Device>>()

/**
 * A device by name; an object is returned as it is. Equal names and options give the same device until it is
 * disposed. `'cpu'` (the default) tries ONNX Runtime's C API, the onnxruntime-node binding and onnxruntime-web (in
 * browsers only the last), then the reference interpreter with a warning and a limit of 16 MiB for one tensor.
 * `'webgpu'` is the browser's, or in Node that of the npm package `webgpu`. `'cuda'` is NVIDIA's graphics card, in Node, by the installed driver and the npm package `koffi`.
 * @throws TensorError DEVICE when the device is not there, or its name is unknown.
 */
export function resolveDevice(spec?: DeviceName | Device, options: ResolveOptions = {}): Promise<Device> {
  if (typeof spec === 'object') return Promise.resolve(spec)
  const name = spec ?? 'cpu'
  const key = `${name} ${options.threads ?? ''} ${options.library ?? ''} ${options.driver ?? ''}`
  const present = open.get(key)
  const opening =
    present === undefined ? create(name, options) : present.then((device) => (isAlive(device) ? device : create(name, options)))
  open.set(key, opening)
  opening.catch(() => {
    if (open.get(key) === opening) open.delete(key)
  })
  return opening
}

async function create(name: DeviceName, options: ResolveOptions): Promise<Device> {
  switch (name) {
    case 'cpu': {
      const { cpuRoutes } = await import('#cpu')
      return openCpu(cpuRoutes, options)
    }
    case 'reference':
      return referenceDevice()
    case 'null':
      return nullDevice()
    case 'webgpu': {
      const [{ findGpu }, { openWebGpu }] = await Promise.all([import('#webgpu'), import('./webgpu/device.js')])
      const { gpu, close } = await findGpu()
      return openWebGpu(gpu, close === undefined ? {} : { close })
    }
    case 'cuda': {
      const { openCudaDevice } = await import('#cuda')
      return openCudaDevice(options.driver)
    }
    default:
      throw new TensorError(
        'DEVICE',
        `no device is called '${String(name satisfies never)}'; expected 'cpu', 'webgpu', 'cuda', 'reference' or 'null'`,
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
  try {
    device.free(device.alloc(0))
    return true
  } catch {
    return false
  }
}
