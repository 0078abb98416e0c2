import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, defaultClientConditions, type Rolldown } from 'vite'

/** From the packages' sources, as the page is built too. */
export const conditions = ['@tesserae/source', ...defaultClientConditions]

/** One script, minified, of a module of this text, with everything it imports but what `external` says. It assigns its exports to `result`. */
export async function bundle(source: string, external?: RegExp): Promise<string> {
  // Inside the repository, so that the packages are found.
  const folder = mkdtempSync(join(import.meta.dirname, '.bundle-'))
  try {
    const entry = join(folder, 'entry.ts')
    writeFileSync(entry, source)
    const output = (await build({
      root: folder,
      configFile: false,
      logLevel: 'error',
      resolve: { conditions },
      build: {
        write: false,
        minify: true,
        reportCompressedSize: false,
        chunkSizeWarningLimit: 8192,
        lib: { entry, name: 'result', formats: [external === undefined ? 'iife' : 'es'], fileName: 'bundle' },
        ...(external === undefined ? {} : { rollupOptions: { external } }),
      },
    })) as Rolldown.RolldownOutput[]
    return output[0]!.output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const gzipSize = (script: string): number => gzipSync(script, { level: 9 }).length

export const scratch = (): string => mkdtempSync(join(tmpdir(), 'tesserae-bundle-'))
