import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { show } from './json.js'
import { maxHeaderBytes, storedBits, storedDType } from './safetensors-header.js'

/** One tensor to be written. */
export interface TensorEntry {
  readonly name: string
  /** One of our dtypes, or a type name of the format (`'F8_E4M3'`) for raw bytes. */
  readonly dtype: DType | (string & {})
  readonly shape: readonly number[]
  /** Little-endian, row-major. A function is called when its turn comes, so that a large model is never in memory twice. */
  readonly bytes: Uint8Array | (() => Uint8Array | Promise<Uint8Array>)
}

export interface WriteOptions {
  readonly metadata?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** What a file will consist of: the header with its 8 bytes of length, then the entries' bytes in this order. */
export interface SafetensorsLayout {
  readonly header: Uint8Array
  readonly entries: readonly TensorEntry[]
  /** Size of the whole file in bytes. */
  readonly size: number
}

/** Size of an entry in bytes, from its dtype and shape. Throws VALUE when it has none. */
export function entryBytes(entry: TensorEntry): number {
  const fail = (message: string): never => {
    throw new TensorError('VALUE', `writeSafetensors: tensor ${show(entry.name)}: ${message}`)
  }
  if (typeof entry.name !== 'string' || entry.name === '__metadata__') return fail('the name must be a string other than __metadata__')
  const bits = storedBits.get(storedName(entry.dtype))
  if (bits === undefined)
    return fail(
      `the format has no type ${show(entry.dtype)}; expected one of ${[...Object.keys(storedDType), ...storedBits.keys()].join(', ')}`,
    )
  let total = bits
  for (const dim of entry.shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return fail(`the shape must be non-negative integers, got [${entry.shape.join(', ')}]`)
    total *= dim
    if (!Number.isSafeInteger(total)) return fail(`the shape [${entry.shape.join(', ')}] is larger than can be counted`)
  }
  return total % 8 === 0 ? total / 8 : fail(`[${entry.shape.join(', ')}] elements of ${entry.dtype} are not a whole number of bytes`)
}

const storedName = (dtype: string): string => (Object.hasOwn(storedDType, dtype) ? storedDType[dtype as DType] : dtype)

/**
 * Plans a file. Wider types come first (otherwise the given order is kept) and the header is padded with spaces to 8 bytes, so every
 * tensor is aligned to its element size and may be mapped. Throws VALUE for entries that do not fit the format.
 */
export function layOutSafetensors(entries: Iterable<TensorEntry>, metadata: Readonly<Record<string, string>> = {}): SafetensorsLayout {
  const ordered = [...entries].map((entry) => ({ entry, bytes: entryBytes(entry), bits: storedBits.get(storedName(entry.dtype))! }))
  ordered.sort((a, b) => b.bits - a.bits)
  const header = new Map<string, unknown>()
  if (Object.keys(metadata).length > 0) header.set('__metadata__', checkMetadata(metadata))
  let offset = 0
  for (const { entry, bytes } of ordered) {
    if (header.has(entry.name)) throw new TensorError('VALUE', `writeSafetensors: two tensors are named ${show(entry.name)}`)
    header.set(entry.name, { dtype: storedName(entry.dtype), shape: entry.shape, data_offsets: [offset, offset + bytes] })
    offset += bytes
  }
  // Written key by key: an object literal would move integer-like names to the front and lose one called __proto__.
  const json = `{${[...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
  const text = new TextEncoder().encode(json)
  const padded = Math.ceil(text.byteLength / 8) * 8
  if (padded > maxHeaderBytes)
    throw new TensorError(
      'VALUE',
      `writeSafetensors: the header would take ${padded} bytes, more than the ${maxHeaderBytes} that readers accept; write fewer tensors per file`,
    )
  const head = new Uint8Array(8 + padded).fill(32)
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true)
  head.set(text, 8)
  return { header: head, entries: ordered.map(({ entry }) => entry), size: head.byteLength + offset }
}

function checkMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== 'string')
      throw new TensorError(
        'VALUE',
        `writeSafetensors: metadata ${show(key)} must be a string, got ${show(value)}; encode it, for example with JSON.stringify`,
      )
  return metadata
}

/** The file piece by piece: the header, then each tensor. Throws VALUE, and ABORTED when the signal fires. */
export async function* writeSafetensors(
  entries: Iterable<TensorEntry>,
  options: WriteOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const layout = layOutSafetensors(entries, options.metadata)
  yield layout.header
  for (const entry of layout.entries) {
    if (options.signal?.aborted) throw new TensorError('ABORTED', 'writeSafetensors was aborted', { cause: options.signal.reason })
    const bytes = typeof entry.bytes === 'function' ? await entry.bytes() : entry.bytes
    yield checkBytes(entry, bytes)
  }
}

/** The whole file in memory, for tensors that are there already. */
export function encodeSafetensors(
  entries: Iterable<TensorEntry & { readonly bytes: Uint8Array }>,
  options: Pick<WriteOptions, 'metadata'> = {},
): Uint8Array {
  const layout = layOutSafetensors(entries, options.metadata)
  const out = new Uint8Array(layout.size)
  out.set(layout.header)
  let offset = layout.header.byteLength
  for (const entry of layout.entries) {
    const bytes = checkBytes(entry, entry.bytes as Uint8Array)
    out.set(bytes, offset)
    offset += bytes.byteLength
  }
  return out
}

function checkBytes(entry: TensorEntry, bytes: Uint8Array): Uint8Array {
  const expected = entryBytes(entry)
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== expected)
    throw new TensorError(
      'VALUE',
      `writeSafetensors: tensor ${show(entry.name)}: ${entry.dtype} [${entry.shape.join(', ')}] takes ${expected} bytes, got ${bytes instanceof Uint8Array ? bytes.byteLength : show(bytes)}`,
    )
  return bytes
}

/** One file of a checkpoint split over several. */
export interface Shard {
  readonly fileName: string
  readonly entries: readonly TensorEntry[]
}

export interface ShardPlan {
  readonly shards: readonly Shard[]
  /** Text of the index file, undefined when one file holds everything. */
  readonly index?: string
}

/**
 * Splits entries, in order, into files of at most `maxShardBytes` of tensor data each (a larger tensor has a file of its own), named
 * `<stem>-00001-of-00003.safetensors`; one that fits whole is `<stem>.safetensors`.
 */
export function planShards(entries: Iterable<TensorEntry>, options: { readonly stem: string; readonly maxShardBytes?: number }): ShardPlan {
  const { stem, maxShardBytes = Infinity } = options
  if (!(maxShardBytes > 0)) throw new TensorError('VALUE', `planShards: maxShardBytes must be positive, got ${maxShardBytes}`)
  const groups: TensorEntry[][] = []
  const seen = new Set<string>()
  let room = 0
  let total = 0
  for (const entry of entries) {
    const bytes = entryBytes(entry)
    if (seen.has(entry.name)) throw new TensorError('VALUE', `writeSafetensors: two tensors are named ${show(entry.name)}`)
    seen.add(entry.name)
    if (groups.length === 0 || bytes > room) {
      groups.push([])
      room = maxShardBytes
    }
    groups[groups.length - 1]!.push(entry)
    room -= bytes
    total += bytes
  }
  if (groups.length <= 1) return { shards: [{ fileName: `${stem}.safetensors`, entries: groups[0] ?? [] }] }
  const number = (n: number): string => String(n).padStart(5, '0')
  const shards = groups.map((group, i) => ({
    fileName: `${stem}-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    entries: group,
  }))
  const pairs = shards.flatMap((shard) =>
    shard.entries.map((entry) => `    ${JSON.stringify(entry.name)}: ${JSON.stringify(shard.fileName)}`),
  )
  const index = `{\n  "metadata": {"total_size": ${total}},\n  "weight_map": {\n${pairs.join(',\n')}\n  }\n}\n`
  return { shards, index }
}
