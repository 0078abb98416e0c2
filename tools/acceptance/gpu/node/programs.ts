// Run by itself: a trained model, the first steps of a training, and caches against none, on device 'webgpu' in Node. Prints a line of JSON for each.
import { resolveDevice, type Device } from '@tesserae/tensor'
import { cacheProblems } from '../../../../tests/browser/page/lengths.js'
import { firstLosses } from '../../foundation/shakespeare/model.js'
import { shakespeare } from '../../foundation/shakespeare/recipe.js'
import { generated } from './generated.js'
import type { ProgramLine, ProgramTask } from './line.js'
import { sayLine } from './run.js'

const say: (line: ProgramLine) => void = sayLine
const { prompt, tokens, steps, rows, lengths } = JSON.parse(process.argv[2]!) as ProgramTask

const device = await resolveDevice('webgpu').catch((error: unknown): undefined => {
  say({ kind: 'missing', reason: error instanceof Error ? error.message : String(error) })
})
if (device !== undefined) await programs(device)

async function programs(device: Device): Promise<void> {
  say({ kind: 'device', description: device.description })
  const start = performance.now()
  const ids = await generated(device, prompt, tokens)
  say({ kind: 'stories', ids, tokensPerSecond: (1000 * ids.length) / (performance.now() - start) })
  await firstLosses(shakespeare(), steps, { rows, device, onLoss: (loss) => say({ kind: 'loss', loss }) })
  say({ kind: 'lengths', problems: await cacheProblems(device, lengths) })
  await device.dispose()
}
