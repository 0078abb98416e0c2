/** One file of a repository, brought into the cache: whole and checked, or not at all. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { TransformerError } from '../../../errors.js'
import { pause } from '../../../pause.js'
import type { HubEnvironment } from './environment.js'
import { withLock } from './lock.js'
import { ask } from './requests.js'

export interface Download {
  readonly environment: HubEnvironment
  readonly repository: string
  readonly revision: string
  /** The commit that the revision stands for. */
  readonly commit: string
  readonly file: string
  readonly signal: AbortSignal | undefined
  readonly onProgress: OnProgress | undefined
}

/** The folder of a repository in the cache, as huggingface_hub has it. */
export const repositoryFolder = (cacheFolder: string, repository: string): string =>
  join(cacheFolder, `models--${repository.replaceAll('/', '--')}`)

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The path of a file in the cache; undefined where the repository has none of that name. Errors: CHECKPOINT that says what to do; AbortError. */
export async function download(wanted: Download): Promise<string | undefined> {
  const { environment, repository, commit, file, signal } = wanted
  const folder = repositoryFolder(environment.cacheFolder, repository)
  const path = join(folder, 'snapshots', commit, file)
  if (await isThere(path)) return path
  const facts = await factsOf(wanted)
  if (facts === undefined) return undefined
  const blob = join(folder, 'blobs', facts.etag)
  const locks = join(environment.cacheFolder, '.locks', `models--${repository.replaceAll('/', '--')}`)
  for (const one of [dirname(blob), dirname(path), locks]) await mkdir(one, { recursive: true })
  await withLock(
    join(locks, `${facts.etag}.tesserae.lock`),
    signal,
    async () => ((await isThere(blob)) ? blob : undefined),
    () => fetchBlob(wanted, facts, blob),
  )
  await link(blob, path)
  return path
}

interface FileFacts {
  /** What the file is called in `blobs`: its SHA-256 where it is a large one. */
  readonly etag: string
  readonly size: number
  readonly url: string
}

async function factsOf({ environment, repository, revision, commit, file, signal }: Download): Promise<FileFacts | undefined> {
  let url = `${environment.endpoint}/${repository}/resolve/${commit}/${file.split('/').map(encodeURIComponent).join('/')}`
  for (let hops = 0; hops < 5; hops++) {
    const subject = { repository, revision, file }
    const response = await ask(url, subject, environment, {
      method: 'HEAD',
      headers: { 'accept-encoding': 'identity' },
      signal,
      accepts: [404],
    })
    if (response.status === 404) return undefined
    const location = response.headers.get('location')
    // Renamed repositories are elsewhere on the hub; large files elsewhere altogether, and then the hub says what they are.
    if (location?.startsWith('/') === true && !response.headers.has('x-linked-etag')) {
      url = new URL(location, url).href
      continue
    }
    const etag = (response.headers.get('x-linked-etag') ?? response.headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
    const size = Number(response.headers.get('x-linked-size') ?? response.headers.get('content-length') ?? NaN)
    if (!/^[\w-]{6,128}$/.test(etag) || !Number.isSafeInteger(size) || size < 0)
      throw new TransformerError(
        'CHECKPOINT',
        `hf:${repository}/${file}: the hub did not say what the file is (etag ${JSON.stringify(etag)}, size ${size})`,
      )
    return { etag, size, url: location === null ? url : new URL(location, url).href }
  }
  throw new TransformerError('CHECKPOINT', `hf:${repository}/${file}: the hub sends from one address to the next without end`)
}

/** Downloads into a file aside, goes on where an earlier attempt ended, checks and renames. */
async function fetchBlob(wanted: Download, facts: FileFacts, blob: string): Promise<string> {
  const aside = `${blob}.incomplete`
  const what = `hf:${wanted.repository}/${wanted.file}`
  for (let attempt = 1; ; attempt++) {
    await fetchRest(wanted, facts, aside)
    const problem = await problemOf(aside, facts)
    if (problem === undefined) break
    await rm(aside, { force: true })
    // What was there before may have been of another file; twice is no accident.
    if (attempt === 2)
      throw new TransformerError(
        'CHECKPOINT',
        `${what}: ${problem}. It was deleted; try again, and if it stays so, something on the way changes the file`,
      )
  }
  await rename(aside, blob)
  return blob
}

const mostBreaks = 5

async function fetchRest(
  { environment, repository, revision, file, signal, onProgress }: Download,
  facts: FileFacts,
  aside: string,
): Promise<void> {
  const handle = await open(aside, 'a')
  try {
    let at = (await handle.stat()).size
    if (at > facts.size) {
      await handle.truncate(0)
      at = 0
    }
    const report = (): void => onProgress?.({ task: 'download', completed: at, total: facts.size, unit: 'bytes', message: file })
    report()
    for (let breaks = 0; at < facts.size;) {
      const response = await follow(facts.url, { repository, revision, file }, environment, at, signal)
      if (at > 0 && response.status !== 206) {
        await handle.truncate(0)
        at = 0
      }
      try {
        for await (const chunk of response.body!) {
          throwIfAborted(signal, 'Downloading the model')
          const bytes = chunk as Uint8Array
          if (at + bytes.byteLength > facts.size)
            throw new TransformerError(
              'CHECKPOINT',
              `hf:${repository}/${file}: the server sends more than the ${facts.size} bytes that the file has`,
            )
          await handle.write(bytes)
          at += bytes.byteLength
          report()
        }
      } catch (error) {
        throwIfAborted(signal, 'Downloading the model')
        if (error instanceof TransformerError) throw error
        if (++breaks > mostBreaks)
          throw new TransformerError(
            'CHECKPOINT',
            `hf:${repository}/${file}: the connection broke ${breaks} times, the last at ${at} of ${facts.size} bytes; try again, it goes on from there`,
            {
              cause: error,
            },
          )
        await pause(0.2 * breaks, 'Downloading the model', signal)
        continue
      }
      if (at < facts.size && ++breaks > mostBreaks)
        throw new TransformerError(
          'CHECKPOINT',
          `hf:${repository}/${file}: the server sent ${at} of ${facts.size} bytes; try again, it goes on from there`,
        )
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The body, from a place on, wherever the address leads. */
async function follow(
  first: string,
  subject: { readonly repository: string; readonly revision: string; readonly file: string },
  environment: HubEnvironment,
  at: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let url = first
  for (let hops = 0; hops < 5; hops++) {
    const headers = { 'accept-encoding': 'identity', ...(at === 0 ? {} : { range: `bytes=${at}-` }) }
    const response = await ask(url, subject, environment, { headers, signal })
    const location = response.headers.get('location')
    if (response.status < 300 || location === null) return response
    url = new URL(location, url).href
  }
  throw new TransformerError(
    'CHECKPOINT',
    `hf:${subject.repository}/${subject.file}: the hub sends from one address to the next without end`,
  )
}

/** What is wrong with a download. Large files are named by their SHA-256, small ones by Git's hash of them, or on some mirrors by their SHA-1. */
async function problemOf(path: string, { etag, size }: FileFacts): Promise<string | undefined> {
  const isLarge = /^[0-9a-f]{64}$/.test(etag)
  if (!isLarge && !/^[0-9a-f]{40}$/.test(etag)) return undefined
  const hashes = isLarge ? [createHash('sha256')] : [createHash('sha1').update(`blob ${size}\0`), createHash('sha1')]
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) for (const hash of hashes) hash.update(chunk as Uint8Array)
  const found = hashes.map((hash) => hash.digest('hex'))
  return found.includes(etag) ? undefined : `its hash is ${found[0]}; the hub says ${etag}`
}

/** The file under its name: a link to the blob, or a copy where there are no links. */
async function link(blob: string, path: string): Promise<void> {
  if (await isThere(path)) return
  await rm(path, { force: true })
  try {
    await symlink(relative(dirname(path), blob), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    await copyFile(blob, path)
  }
}
