import { join } from 'node:path'
import { fromBytes, type Tensor } from '@tesserae/tensor'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { loadModel, saveModel } from '@tesserae/transformer/node'
import type { ScalarModel } from '@tesserae/rlhf'

const headFile = 'head.safetensors'

/** Writes a reward model: a model's folder, with its head in a file beside. */
export async function saveScalarModel(folder: string, { config, weights, head }: ScalarModel): Promise<void> {
  await saveModel(folder, { config, weights })
  const leaves: [string, Tensor][] = [
    ['weight', head.weight],
    ...(head.bias === undefined ? [] : [['bias', head.bias] as [string, Tensor]]),
  ]
  await saveSafetensors(
    join(folder, headFile),
    leaves.map(([name, leaf]) => ({ name, dtype: leaf.dtype, shape: leaf.shape as readonly number[], bytes: () => leaf.bytes() })),
  )
}

/** Reads what {@link saveScalarModel} wrote. */
export async function loadScalarModel(folder: string): Promise<ScalarModel> {
  const { config, weights } = await loadModel(folder)
  const file = await openSafetensorsPath(join(folder, headFile))
  const read = async (name: string): Promise<Tensor> => {
    const { bytes, shape } = await file.tensor(name, { dtype: 'f32' })
    return fromBytes(bytes, { dtype: 'f32', shape, adopt: true })
  }
  try {
    const weight = await read('weight')
    return { config, weights, head: file.has('bias') ? { weight, bias: await read('bias') } : { weight } }
  } finally {
    await file.dispose()
  }
}
