/** The library of `fake-libcuda.c`, compiled by the machine's own compiler. */
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

/** Compiles and opens the library; `old` leaves out what came with 11.4. */
export function buildFake(options: { readonly old?: boolean } = {}): Fake {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-cuda-'))
  const path = join(folder, 'libfake-cuda.so.1')
  const source = fileURLToPath(new URL('fake-libcuda.c', import.meta.url))
  const built = spawnSync(
    compiler,
    ['-shared', '-fPIC', '-O1', '-Wall', ...(options.old === true ? ['-DFAKE_OLD'] : []), '-o', path, source],
    {
      encoding: 'utf8',
    },
  )
  if (built.status !== 0) throw new Error(`${compiler} does not compile ${source}:\n${built.stderr}`)
  const library = koffi.load(path)
  const control = <Result>(name: string, result: string, ...parameters: string[]): ((...args: (string | number)[]) => Result) =>
    library.func(`fake_${name}`, result, parameters) as (...args: (string | number)[]) => Result
  const [log, clear, reset] = [control<string>('log', 'str'), control<void>('clear', 'void'), control<void>('reset', 'void')]
  reset()
  return {
    path,
    log() {
      const lines = log().split('\n').slice(0, -1)
      clear()
      return lines.map((line) => line.trimEnd())
    },
    fail: control('fail', 'void', 'str', 'int', 'int'),
    setVersion: control('set_version', 'void', 'int'),
    setDevices: control('set_devices', 'void', 'int'),
    setAttribute: control('set_attribute', 'void', 'int', 'int'),
    setUnready: control('set_unready', 'void', 'int'),
    liveBytes: control('live_bytes', 'long long'),
    liveHandles: control('live_handles', 'long long'),
    reset,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
