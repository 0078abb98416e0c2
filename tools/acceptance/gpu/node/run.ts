/** A script of this folder in a process of its own: Dawn may take the whole process with it, and drivers in software want variables from its start. */
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface NodeRun<Line> {
  /** What it prints, each line as JSON. */
  readonly lines: AsyncIterable<Line>
  /** How it ended: the exit code or the signal, and the end of what it said on standard error. */
  ended(): Promise<{ readonly code: number | string; readonly errors: string }>
}

export interface NodeRunOptions {
  readonly args?: readonly string[]
  /** After so long it is ended by a signal. */
  readonly timeoutMs?: number
}

export function runInNode<Line>(script: string, { args = [], timeoutMs }: NodeRunOptions = {}): NodeRun<Line> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@tesserae/source', '--import', 'tsx', file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // What was compiled is kept for the next time.
    env: { MESA_SHADER_CACHE_DIR: join(tmpdir(), 'tesserae-shader-cache'), XDG_RUNTIME_DIR: tmpdir(), ...process.env },
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' }),
  })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)))
  const ended = new Promise<number | string>((resolve) => child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing')))
  async function* lines(): AsyncGenerator<Line> {
    for await (const text of createInterface({ input: child.stdout })) yield JSON.parse(text) as Line
  }
  return { lines: lines(), ended: async () => ({ code: await ended, errors: errors.trim() }) }
}

/** Prints a line for {@link runInNode}. */
export const sayLine = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
