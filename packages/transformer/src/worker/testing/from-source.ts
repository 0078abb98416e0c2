import type { WorkerModelOptions } from '../node/worker-model.js'

// Node reads no TypeScript in a thread unless that thread registers what does.
const bootstrap = `import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
register()
await import(${JSON.stringify(new URL('../../node/lm-worker.ts', import.meta.url).href)})`

/** For `workerModel` where it runs from source. */
export const fromSource: Pick<WorkerModelOptions, 'script' | 'execArgv'> = {
  script: new URL(`data:text/javascript,${encodeURIComponent(bootstrap)}`),
  execArgv: ['--conditions=@tesserae/source'],
}
