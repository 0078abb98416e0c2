import { join } from 'node:path'
import { fromBytes, type Tensor } from '@tesserae/tensor'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { makeFolder, readText, writeText } from '../../checkpoints/node/files.js'
import { parseRecord } from '../../checkpoints/record.js'
import { TransformerError } from '../../errors.js'
import { loraConfig, type Lora, type LoraConfig, type LoraPair } from '../lora.js'

const format = 'tesserae-lora'

/**
 * Writes an adapter as a folder with `adapter.json` and `adapter.safetensors` (tensors `<weight>.a` and `<weight>.b`), each replaced
 * whole. The adapter stays the caller's. Errors: CHECKPOINT; IO and ABORTED of the writer.
 */
export async function saveLora(folder: string, lora: Lora, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  await makeFolder(folder)
  await saveSafetensors(
    join(folder, 'adapter.safetensors'),
    Object.entries(lora.weights).flatMap(([name, pair]) =>
      (['a', 'b'] as const).map((part) => ({
        name: `${name}.${part}`,
        dtype: pair[part].dtype,
        shape: pair[part].shape as readonly number[],
        bytes: () => pair[part].bytes(),
      })),
    ),
    options,
  )
  await writeText(join(folder, 'adapter.json'), `${JSON.stringify({ format, version: 1, ...lora.config }, null, 2)}\n`)
}

/**
 * Reads a folder that {@link saveLora} wrote; the caller owns its tensors. That it fits a model is checked where it is used. Errors: CHECKPOINT, naming
 * the file; OPTION; FILE and IO of the reader.
 */
export async function loadLora(folder: string): Promise<Lora> {
  const path = join(folder, 'adapter.json')
  const { format: found, version, ...rest } = parseRecord(await readText(path), path)
  if (found !== format || version !== 1)
    throw new TransformerError(
      'CHECKPOINT',
      `${path}: format ${JSON.stringify(found)}, version ${JSON.stringify(version)}; expected an adapter written by saveLora`,
    )
  const config = loraConfig(rest as Partial<LoraConfig>)
  const file = await openSafetensorsPath(join(folder, 'adapter.safetensors'))
  const read: Tensor[] = []
  try {
    const pairs: [string, LoraPair][] = []
    for (const stored of file.names) {
      const name = /^(.+)\.[ab]$/.exec(stored)?.[1]
      if (name === undefined || !file.has(`${name}.a`) || !file.has(`${name}.b`))
        throw new TransformerError(
          'CHECKPOINT',
          `${folder}: tensor '${stored}' is not half of a pair; expected '<weight>.a' and '<weight>.b' for each weight`,
        )
      if (stored.endsWith('.b')) continue
      const part = async (which: 'a' | 'b'): Promise<Tensor> => {
        const { bytes, shape } = await file.tensor(`${name}.${which}`, { dtype: 'f32' })
        const made = fromBytes(bytes, { dtype: 'f32', shape, adopt: true })
        read.push(made)
        return made
      }
      pairs.push([name, { a: await part('a'), b: await part('b') }])
    }
    return { config, weights: Object.fromEntries(pairs) }
  } catch (error) {
    for (const one of read) one.dispose()
    throw error
  } finally {
    await file.dispose()
  }
}
