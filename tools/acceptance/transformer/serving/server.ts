// Serves the model in a folder, from a worker, until a signal; says on which port.
import { serve, workerModel } from '@tesserae/transformer/node'

const [folder, limits] = process.argv.slice(2) as [string, string]
// From source a worker has to be taught TypeScript first; the acceptance runs what was built.
const isSource = import.meta.resolve('@tesserae/transformer/node').endsWith('.ts')
const bundled = isSource ? await import('../../../../packages/transformer/src/worker/testing/bundled.js') : undefined
const lm = await workerModel(folder, { ...(await bundled?.bundledWorker())?.worker, id: 'tiny', context: 512, maxStreams: 8 })
const errors: unknown[] = []
const server = await serve(lm, {
  port: 0,
  limits: JSON.parse(limits) as object,
  handleSignals: true,
  onError: (error) => errors.push(error),
})
console.log(JSON.stringify({ port: server.port }))
await server.closed
await lm.dispose()
for (const error of errors.slice(0, 5)) console.error(error)
process.exitCode = errors.length === 0 ? 0 : 1
