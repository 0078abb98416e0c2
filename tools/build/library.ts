import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Options } from 'tsup'

/**
 * The tsup options of a library package, read from its package.json: every `./dist/NAME.js` that `exports`, `imports` or `bin`
 * names is built from `src/NAME.ts`, so a package lists its entry points once. Types are written by `tsc` (see types.json).
 */
export function library(directory: string = process.cwd()): Options {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
  const entry: Record<string, string> = {}
  for (const path of distPaths([manifest.exports, manifest.imports, manifest.bin])) {
    const name = path.slice('./dist/'.length, -'.js'.length)
    const source = `src/${name}.ts`
    if (!existsSync(join(directory, source))) throw new Error(`package.json of ${manifest.name} names ${path}, but there is no ${source}`)
    entry[name] = source
  }
  if (Object.keys(entry).length === 0) throw new Error(`package.json of ${manifest.name} names no ./dist/*.js in exports, imports or bin`)
  return {
    entry,
    format: 'esm',
    target: ['es2022', 'node20'],
    platform: 'node',
    // tsup would turn 'node:fs' into 'fs', which bundlers for the browser cannot tell from a package.
    removeNodeProtocol: false,
    // Entry points share chunks, so that a package has one copy of its state (the default device) whichever way it is entered.
    splitting: true,
    // '#name' is chosen by the `imports` conditions where the package runs, not where it is built.
    external: [/^#/],
    clean: true,
    dts: false,
    sourcemap: false,
    silent: true,
    onSuccess: async () => {
      // The licence has to be inside every tarball; the root's is the only copy that is kept.
      for (const file of ['LICENSE', 'NOTICE']) copyFileSync(join(directory, '../..', file), join(directory, file))
    },
  }
}

interface Manifest {
  readonly name: string
  readonly exports?: unknown
  readonly imports?: unknown
  readonly bin?: unknown
}

function distPaths(value: unknown): string[] {
  if (typeof value === 'string') return /^(\.\/)?dist\/.*\.js$/.test(value) ? [value.startsWith('./') ? value : `./${value}`] : []
  if (typeof value !== 'object' || value === null) return []
  return [...new Set(Object.values(value).flatMap(distPaths))]
}
