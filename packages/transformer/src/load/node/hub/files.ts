/** A repository of the hub as the files of a checkpoint: each is downloaded when it is asked for, into the cache that huggingface_hub uses too. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileSource } from '@tesserae/tensor/node'
import type { CheckpointFiles } from '../../../checkpoints/files.js'
import { replaceText } from '../../../checkpoints/node/files.js'
import { TransformerError } from '../../../errors.js'
import { readHubId, type PlaceOptions } from '../../address.js'
import { download, repositoryFolder } from './download.js'
import { hubEnvironment, type HubEnvironment } from './environment.js'
import { ask, Unreachable } from './requests.js'

/** Folders inside are told of by `has` alone. */
export interface HubFiles extends CheckpointFiles {
  has(path: string): boolean
}

/** @param text `owner/name`, perhaps with `@revision` and a file. Errors: OPTION, CHECKPOINT that says what to do; AbortError */
export async function hubFiles(text: string, options: PlaceOptions): Promise<HubFiles> {
  const { repository, revision = 'main', file } = readHubId(text)
  const environment = await hubEnvironment(options)
  const { commit, names } = await resolveRevision(repository, revision, environment, options.signal)
  const prefix = file === undefined || !file.includes('/') ? '' : `${dirname(file)}/`
  const entry = file?.slice(prefix.length)
  const own = names
    .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
    .map((name) => name.slice(prefix.length))
  if (entry !== undefined && !own.includes(entry))
    throw new TransformerError('CHECKPOINT', `hf:${text}: there is no such file in the model${listed(names)}`)
  return {
    label: `hf:${text}`,
    name: file === undefined ? repository : `${repository}/${file}`,
    names: own,
    ...(entry === undefined ? {} : { entry }),
    has: (path) => names.includes(prefix + path),
    async open(name) {
      // Folders inside too, which some models have parts in.
      if (!names.includes(prefix + name)) return undefined
      const wanted = {
        environment,
        repository,
        revision,
        commit,
        file: prefix + name,
        signal: options.signal,
        onProgress: options.onProgress,
      }
      const path = environment.offline ? join(snapshotOf(environment, repository, commit), prefix + name) : await download(wanted)
      return path === undefined ? undefined : fileSource(path)
    },
  }
}

const listed = (names: readonly string[]): string => {
  const models = names.filter((name) => /\.(gguf|safetensors|bin)$/.test(name))
  return models.length === 0 ? '' : `; it has ${models.slice(0, 20).join(', ')}`
}

const snapshotOf = ({ cacheFolder }: HubEnvironment, repository: string, commit: string): string =>
  join(repositoryFolder(cacheFolder, repository), 'snapshots', commit)

interface Snapshot {
  readonly commit: string
  readonly names: readonly string[]
}

const isCommit = (text: unknown): text is string => typeof text === 'string' && /^[0-9a-f]{40}$/.test(text)
/** No way out of the folder. */
const isPlain = (name: unknown): name is string =>
  typeof name === 'string' &&
  name !== '' &&
  !name.startsWith('/') &&
  !name.includes('\\') &&
  !name.split('/').some((part) => part === '..' || part === '.' || part === '')

async function resolveRevision(
  repository: string,
  revision: string,
  environment: HubEnvironment,
  signal: AbortSignal | undefined,
): Promise<Snapshot> {
  if (environment.offline) {
    const kept = await keptSnapshot(repository, revision, environment)
    if (kept !== undefined) return kept
    throw new TransformerError(
      'CHECKPOINT',
      `hf:${repository}@${revision} is not in ${environment.cacheFolder}, and the hub is not asked (offline); load it once with the hub at hand`,
    )
  }
  const url = `${environment.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`
  let response: Response
  try {
    response = await ask(url, { repository, revision }, environment, { signal })
    for (let hops = 0; response.status >= 300 && hops < 5; hops++)
      response = await ask(new URL(response.headers.get('location') ?? '', url).href, { repository, revision }, environment, { signal })
  } catch (error) {
    // What was loaded before can be loaded again without the hub.
    const kept = error instanceof Unreachable ? await keptSnapshot(repository, revision, environment) : undefined
    if (kept === undefined) throw error
    return kept
  }
  const value = (await response.json().catch(() => undefined)) as { readonly sha?: unknown; readonly siblings?: unknown } | undefined
  const siblings = Array.isArray(value?.siblings) ? (value.siblings as readonly { readonly rfilename?: unknown }[]) : undefined
  if (!isCommit(value?.sha) || siblings === undefined)
    throw new TransformerError('CHECKPOINT', `hf:${repository}: ${environment.endpoint} did not answer as a hub does; check HF_ENDPOINT`)
  if (!isCommit(revision)) {
    const ref = join(repositoryFolder(environment.cacheFolder, repository), 'refs', revision)
    await mkdir(dirname(ref), { recursive: true })
    await replaceText(ref, value.sha)
  }
  return { commit: value.sha, names: siblings.map(({ rfilename }) => rfilename).filter(isPlain) }
}

/** What is in the cache of a revision. */
async function keptSnapshot(repository: string, revision: string, environment: HubEnvironment): Promise<Snapshot | undefined> {
  const folder = repositoryFolder(environment.cacheFolder, repository)
  try {
    const commit = isCommit(revision) ? revision : (await readFile(join(folder, 'refs', revision), 'utf8')).trim()
    if (!isCommit(commit)) return undefined
    const names = await readdir(join(folder, 'snapshots', commit), { recursive: true })
    return { commit, names: names.map((name) => name.replaceAll('\\', '/')) }
  } catch {
    return undefined
  }
}
