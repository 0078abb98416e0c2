import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, PeerUnavailable } from './peers.js'

/** A folder with exactly these npm packages, versions pinned by the caller. Made on first use, which downloads; found again by name and packages. */
export function npmFolderWith(name: string, packages: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(packages)).digest('hex').slice(0, 8)
  const folder = join(cacheFolder, `npm-${name}-${hash}`)
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return folder
  rmSync(folder, { recursive: true, force: true }) // an earlier attempt that was cut off
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  console.error(`  installing ${packages.join(' ')} into ${folder}`)
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--loglevel=error', ...packages]
  const npm = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' })
  if (npm.status !== 0) {
    throw new PeerUnavailable(
      `${name}: npm could not install ${packages.join(' ')}: ${(npm.error?.message ?? npm.stderr).trim().slice(-500)}`,
    )
  }
  writeFileSync(complete, '')
  return folder
}
