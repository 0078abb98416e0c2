import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, toolEnvironment } from './install.mjs'

/** Manifests of the packages that are published: those not marked private. */
export function publishedPackages() {
  return readdirSync(join(root, 'packages'))
    .map((folder) => ({
      folder: join(root, 'packages', folder),
      manifest: JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')),
    }))
    .filter(({ manifest }) => manifest.private !== true)
}

/**
 * Packs every published package, as it is built, into `folder`.
 * @param {string} folder emptied first
 * @returns {Map<string, {path: string, files: string[], folder: string}>} by package name
 */
export function packPackages(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const packages = publishedPackages()
  const args = [
    'pack',
    '--json',
    '--loglevel=error',
    `--pack-destination=${folder}`,
    ...packages.map(({ manifest }) => `--workspace=${manifest.name}`),
  ]
  const result = spawnSync('npm', args, {
    cwd: root,
    env: toolEnvironment(),
    encoding: 'utf8',
    shell: process.platform === 'win32',
    maxBuffer: 1 << 28,
  })
  if (result.status !== 0) throw new Error(`npm pack failed:\n${result.stdout}${result.stderr}`)
  const packed = new Map()
  for (const { name, filename, files } of JSON.parse(result.stdout)) {
    packed.set(name, {
      path: join(folder, filename),
      files: files.map((file) => file.path),
      folder: packages.find(({ manifest }) => manifest.name === name).folder,
    })
  }
  return packed
}
