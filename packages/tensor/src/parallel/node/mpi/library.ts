/** Finding and opening an MPI library. */
import type koffiNamespace from 'koffi'
import { importPackage } from '../../../device/import-package.js'
import { growStacks } from '../../../device/onnx/node/ffi.js'
import { TensorError } from '../../../errors.js'
import { constantsOf, detectFamily, type MpiConstants, type MpiFamily } from './families.js'

type Koffi = typeof koffiNamespace
/** Takes numbers (addresses are below 2^53) and returns an `int`. */
export type NativeCall = (...args: (number | null)[]) => number

export interface MpiLibrary {
  readonly path: string
  readonly family: MpiFamily
  readonly constants: MpiConstants
  /** 'Open MPI v4.1.4' */
  readonly version: string
  /** Binds a function that returns an MPI status. `types` are koffi's. */
  bind(name: string, types: readonly string[]): NativeCall
  /** Address of a buffer's memory, which stays where it is as long as the buffer is referenced. */
  addressOf(memory: ArrayBufferLike): number
}

const install = 'npm install koffi'
const variable = 'TESSERAE_MPI_LIBRARY'

/** File names of MPI libraries, the likeliest first. The launcher's variables tell whose processes these are, where two are installed. */
export function libraryNames(env: Readonly<Record<string, string | undefined>>, platform: string): string[] {
  const given = env[variable]
  if (given !== undefined && given !== '') return [given]
  const names =
    platform === 'darwin'
      ? {
          openmpi: ['libmpi.40.dylib'],
          mpich: ['libmpi.12.dylib', 'libmpich.12.dylib', 'libpmpi.12.dylib'],
          abi: ['libmpi_abi.1.dylib', 'libmpi_abi.0.dylib'],
        }
      : { openmpi: ['libmpi.so.40'], mpich: ['libmpi.so.12', 'libmpich.so.12'], abi: ['libmpi_abi.so.1', 'libmpi_abi.so.0'] }
  const folders = platform === 'darwin' ? ['', '/opt/homebrew/lib/', '/usr/local/lib/'] : ['']
  const order = startedBy(env) === 'mpich' ? [names.mpich, names.abi, names.openmpi] : [names.openmpi, names.mpich, names.abi]
  return order.flat().flatMap((name) => folders.map((folder) => folder + name))
}

/** Whose launcher started this process, by the variables it sets; undefined for none that is known. */
export const startedBy = (env: Readonly<Record<string, string | undefined>>): 'openmpi' | 'mpich' | undefined =>
  env['OMPI_COMM_WORLD_SIZE'] !== undefined ? 'openmpi' : env['PMI_SIZE'] !== undefined ? 'mpich' : undefined

/** How many processes the launcher says it started; undefined where it does not say. */
export function launchedSize(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const said = Number(env['OMPI_COMM_WORLD_SIZE'] ?? env['PMI_SIZE'] ?? NaN)
  return Number.isInteger(said) ? said : undefined
}

/**
 * UCX, which lies under MPICH and others, rewrites `mmap`, `munmap`, `brk` and their like in the C library to hear of memory that goes. V8's threads are in them at that moment: four of some
 * 300 processes hung in a garbage collection or crashed. It serves registering memory with network cards, which copies from host memory can do without.
 */
const keepFunctions = { UCX_MEM_EVENTS: 'n' }

/** Opens the first library that there is. Errors: DEVICE saying what was tried and what to do. */
export async function openMpiLibrary(env: Readonly<Record<string, string | undefined>> = process.env): Promise<MpiLibrary> {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    throw new TensorError('DEVICE', `mpiGroup: MPI is used on Linux and macOS, this is ${process.platform}; use runThreads() here`)
  const module = (await importPackage('koffi', () => import('koffi'), install)) as { default?: Koffi } & Koffi
  const koffi = module.default ?? module
  growStacks(koffi)
  // Libraries read the environment of the process as they are loaded. What a user has set stays.
  for (const [name, value] of Object.entries(keepFunctions)) process.env[name] ??= value
  const loader = openLoader(koffi)
  const failures: string[] = []
  for (const path of libraryNames(env, process.platform)) {
    const handle = loader.open(path)
    if (typeof handle === 'number') return bindLibrary(koffi, loader, path, handle)
    failures.push(handle)
  }
  throw new TensorError(
    'DEVICE',
    `mpiGroup: no MPI library could be opened (${failures.join('; ')}). Install one (Debian: apt-get install openmpi-bin, or mpich), or name its file in ${variable}`,
  )
}

interface Loader {
  /** The handle, or what went wrong. */
  open(path: string): number | string
  symbol(handle: number, name: string): number
}

const RTLD_NOW = 2
const flags: Readonly<Record<string, { readonly global: number; readonly keep: number }>> = {
  linux: { global: 0x100, keep: 0x1000 },
  darwin: { global: 0x8, keep: 0x80 },
}

/**
 * The C library's own loader. Open MPI loads plug-ins that look for its symbols among everybody's (RTLD_GLOBAL), and has threads that still run when koffi unloads its libraries at the
 * end of the process, so that the code must stay (RTLD_NODELETE).
 */
function openLoader(koffi: Koffi): Loader {
  const own = koffi.load(null)
  const dlopen = own.func('dlopen', 'int64_t', ['str', 'int']) as unknown as (path: string, flags: number) => number
  const dlsym = own.func('dlsym', 'int64_t', ['int64_t', 'str']) as unknown as (handle: number, name: string) => number
  const dlerror = own.func('dlerror', 'str', []) as unknown as () => string | null
  const { global, keep } = flags[process.platform]!
  return {
    open(path) {
      const handle = Number(dlopen(path, RTLD_NOW | global | keep))
      return handle === 0 ? (dlerror() ?? `${path}: not found`) : handle
    },
    symbol: (handle, name) => Number(dlsym(handle, name)),
  }
}

function bindLibrary(koffi: Koffi, loader: Loader, path: string, handle: number): MpiLibrary {
  // Found already, so that this only counts one more user.
  const library = koffi.load(path)
  const bind = (name: string, types: readonly string[]): NativeCall => library.func(name, 'int', [...types]) as unknown as NativeCall
  // Through an array, because koffi takes shared memory in no other way.
  const addressOf = (memory: ArrayBufferLike): number => Number(koffi.address(new Uint8Array(memory)))
  const has = (symbol: string): boolean => loader.symbol(handle, symbol) !== 0
  let said: string | undefined
  const version = (): string => (said ??= has('MPI_Get_library_version') ? readVersion(bind, addressOf) : 'nothing')
  const family = detectFamily(path, {
    has,
    version,
    abiMajor() {
      const cells = new Int32Array(new ArrayBuffer(8))
      const at = addressOf(cells.buffer)
      return bind('MPI_Abi_get_version', ['int64_t', 'int64_t'])(at, at + 4) === 0 ? cells[0]! : -1
    },
  })
  const constants = constantsOf(family, (symbol) => {
    const address = loader.symbol(handle, symbol)
    if (address === 0)
      throw new TensorError('DEVICE', `${path} looks like Open MPI but has no symbol ${symbol}; expected Open MPI 3 or later`)
    return address
  })
  return { path, family, constants, version: shortVersion(version()), bind, addressOf }
}

const longestVersion = 8192

function readVersion(bind: MpiLibrary['bind'], addressOf: MpiLibrary['addressOf']): string {
  const memory = new ArrayBuffer(longestVersion + 8)
  const at = addressOf(memory)
  bind('MPI_Get_library_version', ['int64_t', 'int64_t'])(at, at + longestVersion)
  const [length] = new Int32Array(memory, longestVersion, 1)
  return new TextDecoder().decode(new Uint8Array(memory, 0, Math.min(length!, longestVersion))).replace(/\0.*$/s, '')
}

/** 'Open MPI v4.1.4, package: …' and 'MPICH Version:\t4.0.2\n…' without what follows. */
const shortVersion = (said: string): string => said.split(/[,\n]/)[0]!.replace(/\s+/g, ' ').trim()
