import { join } from 'node:path'
import { fromBytes, type Tensor } from '@tesserae/tensor'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { disposeWeights } from '@tesserae/transformer'
import { loadCheckpoint, saveModel } from '@tesserae/transformer/node'
import { RlhfError } from '../../errors.js'
import type { ScalarHead, ScalarModel } from '../../rewards/model.js'

const headFile = 'head.safetensors'

/** Saves a reward model: a decoder's folder, as `saveModel` writes it, and its head in a file beside. Errors: those of `saveModel` and of the writer. */
export async function saveRewardModel(folder: string, { config, weights, head }: ScalarModel): Promise<void> {
  await saveModel(folder, { config, weights })
  const leaves = Object.entries(head).filter((entry): entry is [string, Tensor] => entry[1] !== undefined)
  await saveSafetensors(
    join(folder, headFile),
    leaves.map(([name, leaf]) => ({ name, dtype: leaf.dtype, shape: leaf.shape as readonly number[], bytes: () => leaf.bytes() })),
  )
}

/** Loads what {@link saveRewardModel} saved; the caller owns its tensors. Errors: CHECKPOINT for a head of another model; those of `loadCheckpoint` and of the reader. */
export async function loadRewardModel(folder: string): Promise<ScalarModel> {
  const { config, weights } = await loadCheckpoint(folder)
  try {
    return { config, weights, head: await readHead(join(folder, headFile), config.width) }
  } catch (error) {
    disposeWeights(weights)
    throw error
  }
}

async function readHead(path: string, width: number): Promise<ScalarHead> {
  const file = await openSafetensorsPath(path)
  const read = async (name: string, shape: readonly number[]): Promise<Tensor> => {
    const found = file.has(name) ? file.info(name).shape : undefined
    if (found?.length !== shape.length || found.some((dim, i) => dim !== shape[i]))
      throw new RlhfError(
        'CHECKPOINT',
        `${path}: the head's ${name} is ${found === undefined ? 'missing' : `[${found.join(', ')}]`}; the decoder beside it calls for [${shape.join(', ')}]`,
      )
    return fromBytes((await file.tensor(name, { dtype: 'f32' })).bytes, { dtype: 'f32', shape, adopt: true })
  }
  try {
    const weight = await read('weight', [1, width])
    return file.has('bias') ? { weight, bias: await read('bias', [1]) } : { weight }
  } finally {
    await file.dispose()
  }
}
