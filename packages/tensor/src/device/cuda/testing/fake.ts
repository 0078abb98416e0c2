/** The libraries of `fake-libcuda.c` and `fake-libcublaslt.c`, compiled by the machine's own compiler. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'

const compiler = process.env['CC'] ?? 'cc'

/** Whether there is a compiler; tests that need the library are skipped where there is none. */
export const canBuildFake = process.platform !== 'win32' && spawnSync(compiler, ['--version']).status === 0
export const noCompiler = `needs a C compiler (${compiler})`

export interface Fake extends Disposable {
  readonly path: string
  /** The calls since the last look, one a line. */
  log(): string[]
  /** The nth call from now on of that name ('' for any) gives `status`. */
  fail(name: string, nth: number, status: number): void
  setVersion(value: number): void
  setDevices(value: number): void
  setAttribute(which: number, value: number): void
  /** So many queries of events find them not ready. */
  setUnready(value: number): void
  liveBytes(): number
  /** Of contexts, modules, streams, events, graphs and pinned memory. */
  liveHandles(): number
  /** As it was at first, but for what is held. */
  reset(): void
}

interface Built extends Disposable {
  readonly path: string
  /** A function of the library's for tests. */
  control<Result>(name: string, result: string, ...parameters: string[]): (...args: (string | number)[]) => Result
  /** Those that write down calls. */
  takeLog(): string[]
}

/** Compiles and opens a library of this folder. */
function build(source: string, name: string, flags: readonly string[] = []): Built {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-cuda-'))
  const path = join(folder, name)
  const file = fileURLToPath(new URL(source, import.meta.url))
  const built = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-Wall', ...flags, '-o', path, file, '-lm'], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`${compiler} does not compile ${file}:\n${built.stderr}`)
  const library = koffi.load(path)
  const control = <Result>(symbol: string, result: string, ...parameters: string[]): ((...args: (string | number)[]) => Result) =>
    library.func(`fake_${symbol}`, result, parameters) as (...args: (string | number)[]) => Result
  const [log, clear] = [control<string>('log', 'str'), control<void>('clear', 'void')]
  return {
    path,
    control,
    takeLog() {
      const lines = log().split('\n').slice(0, -1)
      clear()
      return lines.map((line) => line.trimEnd())
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The driver; `old` leaves out what came with 11.4. */
export function buildFake(options: { readonly old?: boolean } = {}): Fake {
  const {
    path,
    control,
    takeLog,
    [Symbol.dispose]: dispose,
  } = build('fake-libcuda.c', 'libfake-cuda.so.1', options.old === true ? ['-DFAKE_OLD'] : [])
  const reset = control<void>('reset', 'void')
  reset()
  return {
    path,
    log: takeLog,
    fail: control('fail', 'void', 'str', 'int', 'int'),
    setVersion: control('set_version', 'void', 'int'),
    setDevices: control('set_devices', 'void', 'int'),
    setAttribute: control('set_attribute', 'void', 'int', 'int'),
    setUnready: control('set_unready', 'void', 'int'),
    liveBytes: control('live_bytes', 'long long'),
    liveHandles: control('live_handles', 'long long'),
    reset,
    [Symbol.dispose]: dispose,
  }
}

export interface FakeCublasLt extends Disposable {
  readonly path: string
  log(): string[]
  /** The nth call from now on of that name gives `status`. */
  fail(name: string, nth: number, status: number): void
  /** So many algorithms are found for what is asked from now on, 0 or 1, with that status. */
  setFound(count: number, status: number): void
  /** Of handles, descriptors, layouts and preferences. */
  liveHandles(): number
  reset(): void
}

/** The library of matrix products, which computes on the driver's memory, that of the host. */
export function buildFakeCublasLt(): FakeCublasLt {
  const { path, control, takeLog, [Symbol.dispose]: dispose } = build('fake-libcublaslt.c', 'libfake-cublaslt.so.12')
  const reset = control<void>('reset', 'void')
  reset()
  return {
    path,
    log: takeLog,
    fail: control('fail', 'void', 'str', 'int', 'int'),
    setFound: control('set_found', 'void', 'int', 'int'),
    liveHandles: control('live_handles', 'long long'),
    reset,
    [Symbol.dispose]: dispose,
  }
}
