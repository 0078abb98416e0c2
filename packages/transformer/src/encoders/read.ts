/** Weights of encoders out of Hugging Face's checkpoints. */
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { fromBytes, mapTree, type StoredTensor, type Tensor, type Tensors } from '@tesserae/tensor'
import type { ConfigFields } from '../checkpoints/families/family.js'
import { TransformerError } from '../errors.js'
import type { BertConfig } from './config.js'
import type { EncoderFamily, WeightPlace } from './families/family.js'
import { bertWeightSpecs, namedBertWeights, type BertWeights } from './weights.js'

export interface ReadWeightsOptions {
  readonly label: string
  readonly signal?: AbortSignal | undefined
  /** Task `load-encoder`, in tensors. */
  readonly onProgress?: OnProgress | undefined
}

/**
 * The weights of a configuration, as f32. Names and shapes are checked before anything is read; what transformers keeps in one tensor is cut without a copy. Errors: CHECKPOINT, naming the tensor; FILE, IO and
 * DTYPE of the reader; AbortError.
 */
export async function readBertWeights(
  file: Tensors,
  model: { readonly config: BertConfig; readonly family: EncoderFamily; readonly fields: ConfigFields },
  { label, signal, onProgress }: ReadWeightsOptions,
): Promise<BertWeights> {
  const { config, family, fields } = model
  const specs = bertWeightSpecs(config)
  const wanted = namedBertWeights(specs)
  const first = family.place('embedding.weight', config, fields).name
  const prefix = file.has(family.prefix + first) ? family.prefix : ''
  const places = new Map<string, WeightPlace>()
  for (const [weight, { shape }] of wanted) {
    const found = family.place(weight, config, fields)
    const place = { ...found, name: found.outside === true ? found.name : prefix + found.name }
    checkPlace(file, place, shape, label)
    places.set(weight, place)
  }
  const known = new Set(Array.from(places.values(), ({ name }) => name))
  const extra = file.names.find((name) => name.startsWith(prefix) && !known.has(name) && !family.isOther(name.slice(prefix.length)))
  if (extra !== undefined)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: tensor '${extra}' is not part of its configuration, so the two belong to different models`,
    )

  const read = new Map<string, Tensor>()
  let last: { readonly name: string; readonly stored: StoredTensor } | undefined
  try {
    for (const [weight, place] of places) {
      throwIfAborted(signal, 'Loading the encoder')
      if (last?.name !== place.name) last = { name: place.name, stored: await file.tensor(place.name, { dtype: 'f32' }) }
      const { shape } = wanted.get(weight)!
      const rowBytes = 4 * shape.slice(1).reduce((a, b) => a * b, 1)
      const start = (place.from ?? 0) * rowBytes
      const bytes = last.stored.bytes.subarray(start, start + shape[0]! * rowBytes)
      read.set(weight, fromBytes(bytes, { dtype: 'f32', shape, adopt: true }))
      onProgress?.({ task: 'load-encoder', completed: read.size, total: places.size, unit: 'tensors' })
    }
  } catch (error) {
    for (const tensor of read.values()) tensor.dispose()
    throw error
  }
  return mapTree(specs, (_, path) => read.get(path)!) as BertWeights
}

function checkPlace(file: Tensors, { name, from }: WeightPlace, shape: readonly number[], label: string): void {
  const all = from === undefined ? shape : [`at least ${from + shape[0]!}`, ...shape.slice(1)]
  const fail = (what: string): never => {
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: tensor '${name}' is ${what}; its configuration calls for [${all.join(', ')}], so the two belong to different models`,
    )
  }
  if (!file.has(name)) fail('missing')
  const found = file.info(name).shape
  const fits =
    found.length === shape.length && found.every((dim, i) => (i === 0 && from !== undefined ? dim >= from + shape[0]! : dim === shape[i]))
  if (!fits) fail(`[${found.join(', ')}]`)
}
