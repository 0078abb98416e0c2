import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'tsup'
import type { WorkerModelOptions } from '../node/worker-model.js'

interface Bundled {
  /** For `workerModel` where it runs from source. */
  readonly worker: Pick<WorkerModelOptions, 'script' | 'execArgv'>
  /** The module `tiny-worker`, for `workerModel({ module })`. */
  readonly tiny: URL
}

let bundled: Promise<Bundled> | undefined

/** The worker's script as one piece of JavaScript, made once in a process: Node reads no TypeScript in a thread by itself, and a thread that reads all of the source anew takes seconds. */
export const bundledWorker = (): Promise<Bundled> => (bundled ??= bundle())

async function bundle(): Promise<Bundled> {
  const cache = fileURLToPath(new URL('../../../../../node_modules/.cache', import.meta.url)) // where what is left outside is found
  mkdirSync(cache, { recursive: true })
  const outDir = mkdtempSync(join(cache, 'worker-'))
  process.once('exit', () => rmSync(outDir, { recursive: true, force: true }))
  await build({
    config: false,
    silent: true,
    entry: {
      'lm-worker': fileURLToPath(new URL('../../node/lm-worker.ts', import.meta.url)),
      'tiny-worker': fileURLToPath(new URL('./tiny-worker.ts', import.meta.url)),
    },
    outDir,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    skipNodeModulesBundle: true,
    noExternal: [/^@tesserae\//, /^#/],
    esbuildOptions: (options) => {
      options.conditions = ['@tesserae/source', 'node', 'import']
    },
  })
  const url = (name: string): URL => pathToFileURL(join(outDir, `${name}.js`))
  return { worker: { script: url('lm-worker'), execArgv: [] }, tiny: url('tiny-worker') }
}
