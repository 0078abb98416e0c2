import { parsePtx, PtxError } from './ptx-text.js'
import { statusError } from './status.js'
import { translateKernel } from './translate.js'
import type { Checks, TranslatedKernel } from './translation.js'

export interface LoadedModule {
  readonly kernels: ReadonlyMap<string, TranslatedKernel>
}

export interface LoadOptions {
  readonly checks: Checks
  readonly capability: readonly [number, number]
  /** CUDA's. */
  readonly version: number
}

/** The newest PTX that each CUDA takes. Source: NVIDIA, "Parallel Thread Execution ISA", release notes. */
const newestPtx: readonly (readonly [cuda: number, ptx: number])[] = [
  [11000, 70],
  [11010, 71],
  [11020, 72],
  [11030, 73],
  [11040, 74],
  [11050, 75],
  [11060, 76],
  [11070, 77],
  [11080, 78],
  [12000, 80],
  [12010, 81],
  [12020, 82],
  [12030, 83],
  [12040, 84],
  [12050, 85],
  [12070, 86],
  [12080, 87],
]

/** Modules that were translated lately, by what they depend on: the same kernels are loaded again and again. */
const known = new Map<string, LoadedModule>()
const MOST_KNOWN = 512

/** @throws TensorError `KERNEL` with the line that is not taken, as the driver's compiler would with its log */
export function loadModule(ptx: string, { checks, capability, version }: LoadOptions): LoadedModule {
  const key = `${checks.races} ${checks.shared} ${ptx}`
  const capabilityNumber = capability[0] * 10 + capability[1]
  const newest = newestPtx.filter(([cuda]) => cuda <= version).at(-1)?.[1] ?? 0
  try {
    const head = /\.version\s+(\d+)\.(\d+)[\s\S]*?\.target\s+sm_(\d+)/.exec(ptx)
    if (head === null) throw new PtxError(1, 'a module begins with .version and .target')
    const written = Number(head[1]) * 10 + Number(head[2])
    if (written > newest) throw statusError(222, 'cuModuleLoadData', `PTX ${written / 10}; this driver takes up to ${newest / 10}`)
    if (Number(head[3]) > capabilityNumber)
      throw statusError(209, 'cuModuleLoadData', `PTX for sm_${head[3]} on a device of compute capability ${capability.join('.')}`)
    const found = known.get(key)
    if (found !== undefined) return found
    const module = parsePtx(ptx)
    const kernels = new Map(module.entries.map((entry) => [entry.name, translateKernel(entry, module.target, module.version, checks)]))
    const loaded = { kernels }
    if (known.size >= MOST_KNOWN) known.delete(known.keys().next().value!)
    known.set(key, loaded)
    return loaded
  } catch (error) {
    if (!(error instanceof PtxError)) throw error
    throw statusError(218, 'cuModuleLoadData', `ptxas: ${error.message}`)
  }
}
