/** A server in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

export interface ChildServer {
  readonly url: string
  readonly port: number
  readonly child: ChildProcess
  /** Its exit code; with what it said of errors. */
  readonly ended: Promise<{ readonly code: number | null; readonly errors: string }>
}

export async function startServer(folder: string, limits: object = {}): Promise<ChildServer> {
  const args = [
    ...process.execArgv.filter((one) => one !== '--expose-gc'),
    join(import.meta.dirname, 'server.ts'),
    folder,
    JSON.stringify(limits),
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const ended = new Promise<{ code: number | null; errors: string }>((resolve) => child.on('close', (code) => resolve({ code, errors })))
  const line = new Promise<string>((resolve) => child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString())))
  const first = await Promise.race([line, ended])
  if (typeof first !== 'string') throw new Error(`the server ended with ${first.code}: ${first.errors.slice(-2000)}`)
  const { port } = JSON.parse(first) as { port: number }
  return { url: `http://127.0.0.1:${port}`, port, child, ended }
}

/** A number out of a server's metrics; the sum where there are several. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, value]) => Number(value))
  return values.reduce((sum, value) => sum + value, 0)
}

/** Resident memory of the server in MiB. */
export const memoryOf = async (url: string): Promise<number> => (await metric(url, 'process_resident_memory_bytes')) / 2 ** 20
