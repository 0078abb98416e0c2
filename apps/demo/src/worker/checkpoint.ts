/** Models and training states as safetensors in memory. */
import { encodeSafetensors, fromBytes, openSafetensors, type DType, type Tensor, type TensorEntry, type TensorFile } from '@tesserae/tensor'
import {
  checkConfig,
  disposeWeights,
  mapWeights,
  namedWeights,
  weightSpecs,
  type DecoderConfig,
  type DecoderWeights,
  type TrainingState,
} from '@tesserae/transformer'

type Entry = TensorEntry & { readonly bytes: Uint8Array }

/** Entries of a record of weights, read from its device; `dtype` 'f16' halves the file. */
export async function entriesOf(
  weights: DecoderWeights,
  options: { readonly prefix?: string; readonly dtype?: DType } = {},
): Promise<Entry[]> {
  const { prefix = '', dtype } = options
  const entries: Entry[] = []
  for (const [name, weight] of namedWeights(weights)) {
    const shape = weight.shape as readonly number[]
    if (dtype === undefined || dtype === weight.dtype) {
      entries.push({ name: prefix + name, dtype: weight.dtype, shape, bytes: await weight.bytes() })
    } else {
      using converted = weight.cast(dtype)
      entries.push({ name: prefix + name, dtype, shape, bytes: await converted.bytes() })
    }
  }
  return entries
}

/** A model as one file; the configuration, and whatever else `metadata` says, in its header. */
export async function encodeModel(
  { config, weights }: { readonly config: DecoderConfig; readonly weights: DecoderWeights },
  options: { readonly dtype?: DType; readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { metadata = {}, dtype } = options
  const entries = await entriesOf(weights, dtype === undefined ? {} : { dtype })
  return encodeSafetensors(entries, { metadata: { ...metadata, config: JSON.stringify(config) } }) as Uint8Array<ArrayBuffer>
}

/** What {@link encodeModel} wrote. Errors: CONFIG, FILE, and an Error that names a missing tensor or one of another shape. */
export async function decodeModel(
  bytes: Uint8Array,
  label: string,
): Promise<{ config: DecoderConfig; weights: DecoderWeights; metadata: Readonly<Record<string, string>> }> {
  const file = await openSafetensors(bytes, { label })
  const config = configOf(file, label)
  return { config, weights: await readWeights(file, config, ''), metadata: file.metadata }
}

const parts = ['weights', 'm', 'v'] as const

/** Everything that training goes on from, bit for bit. Await it before the next step. */
export async function encodeState(state: TrainingState): Promise<Uint8Array<ArrayBuffer>> {
  const entries: Entry[] = []
  for (const part of parts) entries.push(...(await entriesOf(state[part], { prefix: `${part}.` })))
  const { config, step, seed } = state
  const metadata = { config: JSON.stringify(config), step: JSON.stringify(step), seed: JSON.stringify(seed) }
  return encodeSafetensors(entries, { metadata }) as Uint8Array<ArrayBuffer>
}

export async function decodeState(bytes: Uint8Array, label: string): Promise<TrainingState> {
  const file = await openSafetensors(bytes, { label })
  const config = configOf(file, label)
  const read: DecoderWeights[] = []
  try {
    for (const part of parts) read.push(await readWeights(file, config, `${part}.`))
  } catch (error) {
    for (const weights of read) disposeWeights(weights)
    throw error
  }
  const [weights, m, v] = read as [DecoderWeights, DecoderWeights, DecoderWeights]
  const { step, seed } = file.metadata
  return { config, step: JSON.parse(step ?? '0') as number, seed: JSON.parse(seed ?? '0') as number | string, weights, m, v }
}

function configOf(file: TensorFile, label: string): DecoderConfig {
  const text = file.metadata['config']
  if (text === undefined) throw new Error(`${label}: the file does not say what model it holds; expected one that this demo wrote`)
  return checkConfig(JSON.parse(text) as Readonly<Record<string, unknown>>)
}

async function readWeights(file: TensorFile, config: DecoderConfig, prefix: string): Promise<DecoderWeights> {
  const specs = weightSpecs(config)
  const read = new Map<string, Tensor>()
  try {
    for (const [name, { shape }] of namedWeights(specs)) {
      const stored = await file.tensor(prefix + name, { dtype: 'f32' })
      if (stored.shape.join() !== shape.join())
        throw new Error(`tensor '${prefix + name}' is [${stored.shape.join(', ')}]; the model calls for [${shape.join(', ')}]`)
      // Copied: the bytes may be the file's own, and training writes into its weights.
      read.set(name, fromBytes(stored.bytes, { dtype: 'f32', shape }))
    }
  } catch (error) {
    for (const weight of read.values()) weight.dispose()
    throw error
  }
  return mapWeights(specs, (_, name) => read.get(name)!)
}
