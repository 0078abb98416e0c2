/** Where the hub is, where its files are kept, and who asks: by the variables that huggingface_hub reads. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { PlaceOptions } from '../../address.js'

export interface HubEnvironment {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly cacheFolder: string
  readonly token: string | undefined
  readonly offline: boolean
}

/** Source: "Environment variables" in the docs of huggingface_hub. */
export async function hubEnvironment(options: PlaceOptions, env: NodeJS.ProcessEnv = process.env): Promise<HubEnvironment> {
  const home = env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'huggingface')
  return {
    endpoint: (env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(/\/+$/, ''),
    cacheFolder: options.cacheFolder ?? env['HF_HUB_CACHE'] ?? env['HUGGINGFACE_HUB_CACHE'] ?? join(home, 'hub'),
    token: options.token ?? env['HF_TOKEN'] ?? (await tokenFile(env['HF_TOKEN_PATH'] ?? join(home, 'token'))),
    offline: options.offline ?? /^(1|true|yes|on)$/i.test(env['HF_HUB_OFFLINE'] ?? ''),
  }
}

const tokenFile = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim() || undefined,
    () => undefined,
  )
