/**
 * The one ONNX Runtime environment of a process: log level, thread pool, arena. Everything in it outlives every device,
 * so nothing here is released; a second device with the same library shares it.
 */
import { availableParallelism } from 'node:os'
import { TensorError } from '../../../errors.js'
import { openApi, type OrtApi } from './c-api.js'
import { checkCommandLine } from './command-line.js'
import { loadKoffi } from './ffi.js'
import { locateLibrary, packageRoot } from './library.js'

/** Only fatal errors: ONNX Runtime prints to stderr from level 3 down, and every error reaches the caller as a status. */
export const logFatal = 4
const arenaAllocator = 1
const deviceAllocator = 0
const extendByPowersOfTwo = 0
/** The arena's first region: temporaries of a prompt fit in. Only what is written of it takes memory. */
export const firstRegionBytes = 1 << 25

export interface OrtEnvironment {
  readonly api: OrtApi
  readonly file: string
  readonly env: number
  /** Memory that the caller owns. */
  readonly memoryInfo: number
  /** The arena that all sessions share, for its statistics; 0 where it could not be registered. */
  readonly arenaInfo: number
  /** Threads of the shared pool, 0 when sessions must make their own. */
  poolThreads: number
}

let current: Promise<OrtEnvironment> | undefined
let currentFile: string | undefined

export interface EnvironmentOptions {
  /** Full path of an ONNX Runtime library to use instead of the one in onnxruntime-node. */
  readonly library?: string | undefined
  /** Threads of the pool, when this call is the one that makes it. */
  readonly threads: number
}

export const defaultThreads = (): number => availableParallelism()

/** Checks a thread count given by a user. */
export function checkThreads(threads: number): number {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new TensorError('VALUE', `threads must be an integer from 1 to 1024, got ${threads}`)
  return threads
}

/** The process's environment, made at the first call. @throws TensorError DEVICE saying what is missing and what to run. */
export function openEnvironment(options: EnvironmentOptions): Promise<OrtEnvironment> {
  const file = options.library ?? locate()
  if (current !== undefined) {
    if (file === currentFile) return current
    throw new TensorError('DEVICE', `this process already uses ${currentFile}; a second ONNX Runtime (${file}) cannot be loaded beside it`)
  }
  const attempt = createEnvironment(file, options.threads)
  current = attempt
  currentFile = file
  attempt.catch(() => {
    if (current === attempt) current = currentFile = undefined
  })
  return attempt
}

const locate = (): string => locateLibrary(packageRoot('onnxruntime-node'))

async function createEnvironment(file: string, threads: number): Promise<OrtEnvironment> {
  checkCommandLine()
  const koffi = await loadKoffi()
  const api = openApi(koffi, file)
  const threading = api.make('CreateThreadingOptions')
  let env: number
  try {
    api.check(api.call.SetGlobalIntraOpNumThreads(threading, threads), 'setting the threads')
    api.check(api.call.SetGlobalInterOpNumThreads(threading, 1), 'setting the threads')
    // Spinning threads fight over few cores: a run went from 800 to 32 µs without on two (see docs/decisions).
    api.check(api.call.SetGlobalSpinControl(threading, 0), 'setting the threads')
    env = api.make('CreateEnvWithGlobalThreadPools', logFatal, 'tesserae', threading)
  } finally {
    api.call.ReleaseThreadingOptions(threading)
  }
  const memoryInfo = api.make('CreateCpuMemoryInfo', deviceAllocator, 0)
  return { api, file, env, memoryInfo, arenaInfo: registerArena(api, env), poolThreads: threads }
}

/**
 * One arena for all sessions: at most one program runs at a time on a device, so temporaries of different programs can
 * share memory, where an arena of each session's own would keep the peak of every one. Few large regions, of which
 * temporaries cut what they need: one for each size that was asked for would be twice as much (256 tokens of GPT-2: 24 MiB, of which 11 are ever in use).
 */
function registerArena(api: OrtApi, env: number): number {
  const info = api.make('CreateMemoryInfo', 'Cpu', arenaAllocator, 0, 0)
  const config = api.make('CreateArenaCfg', 0, extendByPowersOfTwo, firstRegionBytes, -1)
  try {
    api.check(api.call.CreateAndRegisterAllocator(env, info, config), 'registering the arena')
    return info
  } catch {
    // Another user of the library in this process (a worker, the JavaScript binding) registered one: that one is shared.
    return info
  } finally {
    api.call.ReleaseArenaCfg(config)
  }
}
