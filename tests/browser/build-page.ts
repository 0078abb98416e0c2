import { fileURLToPath } from 'node:url'
import { build, defaultClientConditions } from 'vite'

/** Builds a page, a folder beside this file, from the packages' sources, as an application would build it for production. */
export async function buildPage(outDir: string, page = './page'): Promise<void> {
  await build({
    root: fileURLToPath(new URL(page, import.meta.url)),
    configFile: false,
    logLevel: 'error',
    base: './',
    resolve: { conditions: ['@tesserae/source', ...defaultClientConditions] },
    build: { outDir, emptyOutDir: true, minify: false, chunkSizeWarningLimit: 4096, reportCompressedSize: false },
    worker: { format: 'es' },
  })
}
