import type { Device } from '@tesserae/tensor'
import { createModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { dataFile } from '../../lib/data.js'

/** What stories260K says after a prompt, greedily. */
export async function generated(device: Device, prompt: readonly number[], maxTokens: number): Promise<readonly number[]> {
  using model = await createModel({ ...(await loadCheckpoint(dataFile('stories260K.bin'))), device })
  return (await model.generate(prompt, { maxTokens })).ids
}
