// Adds to package-lock.json the platform packages that npm left out because the registry it asked did not have them. `npm ci` refuses
// a lock without them, and on their platforms the tools would not start. Run it after an installation from a partial mirror:
//
//   node tools/setup/complete-lock.mjs
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './install.mjs'

const systems = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  sunos: 'sunos',
  aix: 'aix',
  linux: 'linux',
  openharmony: 'openharmony',
  win32: 'win32',
  windows: 'win32',
}
const processors = {
  arm: 'arm',
  arm64: 'arm64',
  ia32: 'ia32',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64',
  64: 'x64',
}

/** What a platform package's name says of where it runs, e.g. '@oxfmt/binding-linux-arm64-musl'; undefined for other packages. */
function platformOf(name) {
  const parts = name.slice(name.indexOf('/') + 1).split('-')
  const at = parts.findIndex((part) => Object.hasOwn(systems, part))
  const cpu = processors[parts[at + 1]]
  if (at < 0 || cpu === undefined) return undefined
  const abi = parts[at + 2] ?? ''
  const libc = systems[parts[at]] !== 'linux' ? undefined : abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : undefined
  return { cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }), os: [systems[parts[at]]] }
}

const path = join(root, 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const added = []
for (const [folder, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const platform = platformOf(name)
    const home = `node_modules/${name}`
    if (platform === undefined || !/^\d/.test(version)) continue
    // Beside its parent where another version already has the top.
    const place = lock.packages[home] === undefined ? home : lock.packages[home].version === version ? undefined : `${folder}/${home}`
    if (place === undefined || lock.packages[place] !== undefined) continue
    const base = name.slice(name.indexOf('/') + 1)
    lock.packages[place] = {
      version,
      resolved: `https://registry.npmjs.org/${name}/-/${base}-${version}.tgz`,
      ...platform,
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
    }
    added.push(`${name}@${version}`)
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.length}: ${added.join(', ')}`)
