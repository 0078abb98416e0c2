/**
 * Where ONNX Runtime's shared library lies. The table is a pure function of the platform, so that what is promised for
 * machines other than this one is tested on every machine; `locateLibrary` adds the file system.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { TensorError } from '../../../errors.js'

export type Libc = 'glibc' | 'musl' | 'none'

export interface Platform {
  /** As `process.platform`. */
  readonly os: string
  /** As `process.arch`. */
  readonly arch: string
  /** The C library on Linux, 'none' elsewhere. */
  readonly libc: Libc
}

export type LibraryPlan =
  | {
      readonly found: true
      /** Folder under `bin/napi-vN`, with forward slashes. */
      readonly folder: string
      /** File names to try, best first; `*` stands for a version. */
      readonly files: readonly string[]
    }
  | { readonly found: false; readonly reason: string; readonly help: string }

/** Installs both native parts; scripts are off because onnxruntime-node's asks NuGet for CUDA libraries. */
export const installNative = 'npm install koffi onnxruntime-node --ignore-scripts'
export const installWeb = 'npm install onnxruntime-web'

const names: Readonly<Record<string, string>> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }

/** What onnxruntime-node ships for a platform, or why there is nothing and what to do instead. */
export function libraryPlan(platform: Platform): LibraryPlan {
  const { os, arch, libc } = platform
  const name = names[os] ?? os
  if (os === 'linux' && (arch === 'x64' || arch === 'arm64')) {
    if (libc === 'musl')
      return {
        found: false,
        reason: `onnxruntime-node has no binary for Linux ${arch} with musl libc (Alpine and the like): its library needs glibc`,
        help: `${installWeb}   (or use a glibc image such as node:22-slim instead of node:22-alpine)`,
      }
    return { found: true, folder: `linux/${arch}`, files: ['libonnxruntime.so.1', 'libonnxruntime.so', 'libonnxruntime.so.*'] }
  }
  if (os === 'darwin' && arch === 'arm64')
    return { found: true, folder: 'darwin/arm64', files: ['libonnxruntime.1.dylib', 'libonnxruntime.dylib', 'libonnxruntime.*.dylib'] }
  if (os === 'darwin' && arch === 'x64')
    return {
      found: false,
      reason: 'onnxruntime-node has no binary for Intel Macs (macOS x64) in version 1.30',
      help: `${installWeb}   (on Apple silicon, run an arm64 build of Node: node -p process.arch must print arm64)`,
    }
  if (os === 'win32' && (arch === 'x64' || arch === 'arm64')) return { found: true, folder: `win32/${arch}`, files: ['onnxruntime.dll'] }
  return { found: false, reason: `onnxruntime-node has no binary for ${name} ${arch}`, help: installWeb }
}

/** The C library of the running process. musl builds of Node report no glibc version. */
export function detectLibc(report: unknown, os: string): Libc {
  if (os !== 'linux') return 'none'
  const header = (report as { header?: { glibcVersionRuntime?: unknown } } | undefined)?.header
  return typeof header?.glibcVersionRuntime === 'string' ? 'glibc' : 'musl'
}

/** The platform of the running process. */
export function currentPlatform(): Platform {
  const os = process.platform
  // The report gathers open handles and network interfaces unless told not to; only its header is wanted.
  const report = process.report as { excludeNetwork?: boolean; getReport(): unknown } | undefined
  if (os !== 'linux' || report === undefined) return { os, arch: process.arch, libc: detectLibc(undefined, os) }
  const before = report.excludeNetwork
  report.excludeNetwork = true
  try {
    return { os, arch: process.arch, libc: detectLibc(report.getReport(), os) }
  } finally {
    if (before !== undefined) report.excludeNetwork = before
  }
}

/** Folder of an installed package, looked for from this module and from the working directory; undefined when absent. */
export function packageRoot(name: string): string | undefined {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`))
    } catch {
      try {
        // A package whose exports hide package.json: climb from its entry.
        let folder = dirname(createRequire(from).resolve(name))
        while (folder !== dirname(folder)) {
          if (existsSync(join(folder, 'package.json'))) return folder
          folder = dirname(folder)
        }
      } catch {
        // not visible from here; try the next place
      }
    }
  }
  return undefined
}

/** Version of an installed package, undefined when absent. */
export function packageVersion(name: string): string | undefined {
  let root = packageRoot(name)
  // Nested package.json files that only set the module type carry no version.
  while (root !== undefined && root !== dirname(root)) {
    const file = join(root, 'package.json')
    if (existsSync(file)) {
      const version = (JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string }).version
      if (version !== undefined) return version
    }
    root = dirname(root)
  }
  return undefined
}

/**
 * Full path of the library inside an onnxruntime-node package.
 * @throws TensorError DEVICE naming what is missing and the command that helps.
 */
export function locateLibrary(root: string | undefined, platform: Platform = currentPlatform()): string {
  const plan = libraryPlan(platform)
  if (!plan.found) throw new TensorError('DEVICE', `${plan.reason}. Run: ${plan.help}`)
  if (root === undefined) throw new TensorError('DEVICE', `the package onnxruntime-node is not installed. Run: ${installNative}`)
  const bin = join(root, 'bin')
  const generations = existsSync(bin)
    ? readdirSync(bin)
        .filter((entry) => /^napi-v\d+$/.test(entry))
        .sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)))
    : []
  for (const generation of generations) {
    const folder = join(bin, generation, plan.folder)
    if (!existsSync(folder)) continue
    const present = readdirSync(folder)
    for (const file of plan.files) {
      const [head, tail] = file.split('*') as [string, string?]
      const match =
        tail === undefined
          ? present.find((entry) => entry === head)
          : present.find((entry) => entry.startsWith(head) && entry.endsWith(tail))
      if (match !== undefined) return join(folder, match)
    }
  }
  throw new TensorError(
    'DEVICE',
    `onnxruntime-node at ${root} lacks ${plan.files[0]} for ${plan.folder} (looked under bin/napi-v*). Its files may have been pruned, or the version may be one that does not ship it. Run: ${installNative}`,
  )
}
