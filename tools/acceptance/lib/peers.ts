import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A peer that cannot be had on this machine; its message says why and what would help. */
export class PeerUnavailable extends Error {
  override readonly name = 'PeerUnavailable'
}

/** Where peers and downloads are kept between runs, outside the repository. */
export const cacheFolder = process.env['TESSERAE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tesserae')

const tail = (text: string): string => text.trim().split('\n').slice(-5).join(' ')

/**
 * The Python of a virtual environment that holds exactly `requirements` (pip's syntax, versions pinned by the caller). Made on first
 * use, which downloads; found again by name and requirements. `args` go to pip, e.g. an index of CPU-only builds.
 */
export function pythonWith(name: string, requirements: readonly string[], args: readonly string[] = []): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([requirements, args]))
    .digest('hex')
    .slice(0, 8)
  const folder = join(cacheFolder, `venv-${name}-${hash}`)
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return python
  rmSync(folder, { recursive: true, force: true }) // an earlier attempt that was cut off
  mkdirSync(cacheFolder, { recursive: true })
  const system = process.platform === 'win32' ? 'python' : 'python3'
  const made = spawnSync(system, ['-m', 'venv', folder], { encoding: 'utf8' })
  if (made.error) throw new PeerUnavailable(`${name}: ${system} cannot be started (${made.error.message}); install Python 3`)
  if (made.status !== 0)
    throw new PeerUnavailable(
      `${name}: no virtual environment (on Debian: apt-get install python3-venv): ${tail(made.stdout + made.stderr)}`,
    )
  console.error(`  installing ${requirements.join(' ')} into ${folder}`)
  const pip = spawnSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args, ...requirements], {
    encoding: 'utf8',
  })
  if (pip.status !== 0)
    throw new PeerUnavailable(`${name}: pip could not install ${requirements.join(' ')}: ${tail(pip.stdout + pip.stderr)}`)
  writeFileSync(`${complete}.part`, '')
  renameSync(`${complete}.part`, complete)
  return python
}

/** Runs a program to its end and parses the last line that it prints as JSON. Its stderr is shown as it comes. */
export function runForJson(command: string, args: readonly string[], environment: Record<string, string> = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const last = output.trim().split('\n').at(-1) ?? ''
      if (code !== 0) return reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}: ${tail(output)}`))
      try {
        resolve(JSON.parse(last))
      } catch {
        reject(new Error(`${command} ${args.join(' ')} did not print JSON last but: ${last.slice(0, 200)}`))
      }
    })
  })
}
