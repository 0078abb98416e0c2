/** What names of places mean in Node; one half of the package import `#places`. */
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { CheckpointFiles } from '../../checkpoints/files.js'
import { pathFiles } from '../../checkpoints/node/path-files.js'
import { TransformerError } from '../../errors.js'
import { hubFiles } from './hub/files.js'
import { asUrl, addressFiles, type PlaceOptions } from '../address.js'

export async function filesOf(text: string, options: PlaceOptions): Promise<CheckpointFiles> {
  if (text.startsWith('hf:')) return hubFiles(text.slice('hf:'.length), options)
  const url = asUrl(text)
  if (url?.protocol === 'file:') return pathFiles(fileURLToPath(url))
  if (url !== undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return addressFiles(url, options)
  if (url?.protocol === 'data:' || url?.protocol === 'blob:') return addressFiles(url, options)
  if (await exists(text)) return pathFiles(text)
  throw new TransformerError('OPTION', `there is nothing at the path ${JSON.stringify(text)}${meant(text)}`)
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

function meant(text: string): string {
  if (/^[\w-]+(\.[\w-]+)+\/.*\.(gguf|bin|safetensors)$/.test(text)) return `; did you mean https://${text}?`
  if (/^[\w-][\w.-]*\/[\w.-]+(@[\w.-]+)?$/.test(text)) return `; did you mean hf:${text}, a model of the hub?`
  if (/^(huggingface\.co|hf\.co)\//.test(text)) return `; did you mean hf:${text.split('/').slice(1, 3).join('/')}, a model of the hub?`
  if (/^[\w-]+(\.[\w-]+)+\//.test(text)) return `; did you mean https://${text}?`
  return '; expected the path of a folder, a .gguf or a .bin file, an address (https://…), or hf:owner/name'
}
