/** Places of checkpoints, as people write them. */
import type { OnProgress } from '@tesserae/core'
import { TransformerError } from '../errors.js'
import type { CheckpointFiles } from '../checkpoints/files.js'
import { urlFiles } from '../checkpoints/web-files.js'

export interface PlaceOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
  /** Sent with every request to a server that is no hub, for example an authorization. */
  readonly headers?: Readonly<Record<string, string>>
  /** For `hf:`. Default the environment's HF_TOKEN, or what `hf auth login` wrote. */
  readonly token?: string
  /** For `hf:`: the folder that downloads are kept in. Default HF_HUB_CACHE, else `hub` in HF_HOME, else `~/.cache/huggingface/hub`. */
  readonly cacheFolder?: string
  /** For `hf:`: never asks the hub. Default HF_HUB_OFFLINE. */
  readonly offline?: boolean
}

/** A repository of the hub, as `hf:owner/name@revision/file` writes it. */
export interface HubId {
  readonly repository: string
  readonly revision: string | undefined
  readonly file: string | undefined
}

const part = '[A-Za-z0-9][\\w.-]*'
const hubForm = new RegExp(`^(?:(${part}/${part})(?:@([\\w.-]+))?(?:/([^/]+(?:/[^/]+)*))?|(${part})(?:@([\\w.-]+))?)$`)

/** Errors: OPTION for what is no id. */
export function readHubId(text: string): HubId {
  const [, full, ofFull, file, short, ofShort] = hubForm.exec(text) ?? []
  const [repository, revision] = full === undefined ? [short, ofShort] : [full, ofFull]
  if (repository === undefined || text.includes('..') || text.includes('--'))
    throw new TransformerError(
      'OPTION',
      `hf:${text} is no model of the hub; expected hf:owner/name, hf:owner/name@revision or hf:owner/name/file.gguf`,
    )
  return { repository, revision, file }
}

/** Files behind an address. */
export function addressFiles(url: URL, options: PlaceOptions): CheckpointFiles {
  if (!['http:', 'https:', 'blob:', 'data:'].includes(url.protocol))
    throw new TransformerError('OPTION', `${url.href.slice(0, 80)}: models are read from http, https, file, blob and data addresses`)
  return urlFiles(url, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.headers === undefined ? {} : { headers: options.headers }),
  })
}

/** The address in a text; undefined for paths, Windows' among them. */
export function asUrl(text: string): URL | undefined {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(text)) return undefined
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
