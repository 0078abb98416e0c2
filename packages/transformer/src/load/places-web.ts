/** What names of places mean in pages; one half of the package import `#places`. */
import { TransformerError } from '../errors.js'
import type { CheckpointFiles } from '../checkpoints/files.js'
import { urlFiles } from '../checkpoints/web-files.js'
import { asUrl, readHubId, addressFiles, type PlaceOptions } from './address.js'

export async function filesOf(text: string, options: PlaceOptions): Promise<CheckpointFiles> {
  if (text.startsWith('hf:')) return hubFiles(text, options)
  const url = asUrl(text)
  if (url?.protocol === 'file:')
    throw new TransformerError('OPTION', `${text}: a page cannot read files by their paths; give the File that was chosen in an <input>`)
  if (url !== undefined) return addressFiles(url, options)
  if (typeof location === 'undefined')
    throw new TransformerError(
      'OPTION',
      `${text}: there is no address that it would be relative to; give a whole address, or hf:owner/name`,
    )
  return addressFiles(new URL(text, location.href), options)
}

/** A repository of the hub, read by ranges where it is. */
function hubFiles(text: string, { signal, token }: PlaceOptions): CheckpointFiles {
  const { repository, revision = 'main', file } = readHubId(text.slice('hf:'.length))
  const url = new URL(`https://huggingface.co/${repository}/resolve/${encodeURIComponent(revision)}/${file ?? ''}`)
  const files = urlFiles(url, {
    ...(signal === undefined ? {} : { signal }),
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  })
  return { ...files, name: file === undefined ? repository : `${repository}/${file}`, label: text }
}
