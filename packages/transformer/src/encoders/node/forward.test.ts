import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { resolveDevice, tensor, type DeviceName } from '@tesserae/tensor'
import { openSafetensorsPath } from '@tesserae/tensor/node'
import { expect, it } from 'vitest'
import { readEncoderConfig } from '../checkpoint.js'
import { bertHidden, bertRotary } from '../forward.js'
import { readBertWeights } from '../read.js'

const fixtures = fileURLToPath(new URL('../__fixtures__/', import.meta.url))

it.each<[string, DeviceName]>([
  ['modernbert', 'cpu'],
  ['modernbert', 'reference'],
  ['bert', 'cpu'],
])('%s sees the same in blocks as at once, on %s', async (name, where) => {
  const folder = join(fixtures, name)
  const files = {
    label: name,
    text: (path: string) => Promise.resolve(readFileSync(join(folder, path), 'utf8')),
    tensors: () => openSafetensorsPath(folder),
  }
  const model = await readEncoderConfig(files, '', { classifier: false })
  const file = await files.tensors()
  const weights = await readBertWeights(file, model, { label: name })
  await file.dispose()
  const device = await resolveDevice(where)
  const [rows, tokens] = [2, 45]
  const ids = tensor(
    Int32Array.from({ length: rows * tokens }, (_, i) => (i * 29) % 79),
    { shape: [rows, tokens] },
  )
  const input = { ids, lengths: tensor([45, 17], { dtype: 'i32' }) }
  const hidden = (block: number) =>
    bertHidden(weights, input, model.config, bertRotary(model.config), { block }).data({ device }) as Promise<Float32Array>
  const [whole, cut] = [await hidden(64), await hidden(7)]
  const width = model.config.width
  const seen = [...whole.keys()].filter((i) => i < (tokens + 17) * width) // what is behind a text's end is nobody's
  expect(Math.max(...seen.map((i) => Math.abs(whole[i]! - cut[i]!)))).toBeLessThan(1e-5)
})
