import { TensorError } from '../errors.js'
import { isRecord, parseStrictJson, show } from './json.js'
import { headerLength, maxHeaderBytes, parseHeader } from './safetensors-header.js'
import { asSource, readExactly, type ByteSource, type ByteSourceLike } from './source.js'
import { loadStored } from './stored.js'
import { disposeAll, makeTensorFile, type Located, type OpenOptions, type TensorFile } from './tensor-file.js'

/**
 * Opens a safetensors file: reads and checks its header. Throws FILE when it is malformed and IO when it cannot be read;
 * the source is disposed in both cases.
 */
export async function openSafetensors(source: ByteSourceLike, options: OpenOptions = {}): Promise<TensorFile> {
  const opened = await openOne(source, options.label)
  return { metadata: opened.metadata, ...makeTensorFile(opened.tensors, opened.label, [opened.source], loadStored) }
}

/** Opens one shard of a sharded checkpoint by its plain file name, as the index gives it. */
export type OpenShard = (fileName: string) => ByteSourceLike | Promise<ByteSourceLike>

/**
 * Opens a checkpoint split over files by its index (`model.safetensors.index.json`): reads the index and every shard's
 * header, and checks that each shard exists and holds what the index says. Shard names that are not plain file names
 * are refused before anything is opened. Throws FILE or IO.
 */
export async function openSafetensorsIndex(index: ByteSourceLike, openShard: OpenShard, options: OpenOptions = {}): Promise<TensorFile> {
  const from = asSource(index)
  const label = options.label ?? from.label ?? 'safetensors index'
  const { weightMap, metadata } = await readIndex(from, label)
  const fileNames = [...new Set(weightMap.values())]
  const results = await Promise.allSettled(fileNames.map(async (fileName) => openOne(await openShard(fileName), `${label}: ${fileName}`)))
  const shards = new Map<string, Opened>()
  results.forEach((result, i) => {
    if (result.status === 'fulfilled') shards.set(fileNames[i]!, result.value)
  })
  const sources = [...shards.values()].map((shard) => shard.source)
  try {
    results.forEach((result, i) => {
      if (result.status === 'rejected') throw shardError(result.reason, fileNames[i]!, label)
    })
    for (const [name, fileName] of weightMap)
      if (!shards.get(fileName)!.tensors.has(name))
        throw new TensorError('FILE', `${label}: tensor ${show(name)} should be in ${show(fileName)}, which does not hold it`)
  } catch (error) {
    await disposeAll(sources)
    throw error
  }
  const tensors = new Map<string, Located>()
  for (const [fileName, shard] of shards)
    for (const [name, located] of shard.tensors) if (weightMap.get(name) === fileName) tensors.set(name, located)
  const merged = Object.create(null) as Record<string, string>
  for (const shard of shards.values()) Object.assign(merged, shard.metadata)
  return { metadata: Object.freeze(Object.assign(merged, metadata)), ...makeTensorFile(tensors, label, sources, loadStored) }
}

/** File names a sharded index refers to, in order of first use. Throws FILE as {@link openSafetensorsIndex} does. */
export async function shardNames(index: ByteSourceLike, options: OpenOptions = {}): Promise<readonly string[]> {
  const from = asSource(index)
  const { weightMap } = await readIndex(from, options.label ?? from.label ?? 'safetensors index')
  return [...new Set(weightMap.values())]
}

interface Opened {
  readonly label: string
  readonly source: ByteSource
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: ReadonlyMap<string, Located>
}

async function openOne(source: ByteSourceLike, givenLabel: string | undefined): Promise<Opened> {
  const from = asSource(source)
  const label = givenLabel ?? from.label ?? 'safetensors'
  try {
    const prefix = await readExactly(from, 0, Math.min(8, from.size))
    const length = headerLength(prefix, from.size, label)
    const { metadata, tensors } = parseHeader(await readExactly(from, 8, length), from.size, label)
    return { label, source: from, metadata, tensors: new Map([...tensors].map(([name, info]) => [name, { info, source: from }])) }
  } catch (error) {
    await from.dispose?.()
    throw error
  }
}

interface ShardedIndex {
  /** Tensor name → shard file name. */
  readonly weightMap: ReadonlyMap<string, string>
  readonly metadata: Readonly<Record<string, string>>
}

async function readIndex(from: ByteSource, label: string): Promise<ShardedIndex> {
  try {
    if (from.size > maxHeaderBytes)
      throw new TensorError('FILE', `${label}: an index of ${from.size} bytes is larger than the ${maxHeaderBytes} allowed`)
    return parseIndex(await readExactly(from, 0, from.size), label)
  } finally {
    await from.dispose?.()
  }
}

function parseIndex(bytes: Uint8Array, label: string): ShardedIndex {
  const json = parseStrictJson(bytes, label, { depth: 8, values: 10_000_000 })
  const map = isRecord(json) ? json['weight_map'] : undefined
  if (!isRecord(json) || !isRecord(map))
    throw new TensorError('FILE', `${label}: expected an object with weight_map: {tensor: file}, found ${show(json)}`)
  const weightMap = new Map<string, string>()
  for (const [name, fileName] of Object.entries(map)) {
    if (!isPlainFileName(fileName))
      throw new TensorError(
        'FILE',
        `${label}: tensor ${show(name)}: the shard must be the plain name of a file beside the index, found ${show(fileName)}`,
      )
    weightMap.set(name, fileName)
  }
  const metadata = Object.create(null) as Record<string, string>
  if (isRecord(json['metadata']))
    for (const [key, value] of Object.entries(json['metadata'])) metadata[key] = typeof value === 'string' ? value : JSON.stringify(value)
  return { weightMap, metadata }
}

/** No folders, drives, streams or control characters, so that a shard can lie nowhere but beside its index. */
const isPlainFileName = (name: unknown): name is string =>
  typeof name === 'string' && name.length > 0 && name.length <= 255 && name !== '.' && name !== '..' && !/[/\\:\p{Cc}]/u.test(name)

function shardError(cause: unknown, fileName: string, label: string): unknown {
  if (TensorError.isInstance(cause) && cause.code === 'FILE') return cause
  return new TensorError(
    'IO',
    `${label}: shard ${show(fileName)} could not be opened: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  )
}
