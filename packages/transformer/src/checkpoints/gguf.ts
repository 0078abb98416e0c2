/** Models in GGUF, as llama.cpp has them. */
import type { Device, GgufFile, GgufValue } from '@tesserae/tensor'
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import { families } from './families/all.js'
import { ConfigFields } from './families/family.js'
import { ggufNames } from './families/names.js'
import { checkWeightType, type WeightType } from './matrix.js'
import type { QuantizedModel } from './quantize.js'
import { readPackedRecord } from './record.js'

/** A model out of a GGUF file. */
export interface GgufModel extends QuantizedModel {
  /** All that the file says of it: what `Tokenizer.fromGGUF` takes, its template of chats, its licence. */
  readonly metadata: ReadonlyMap<string, GgufValue>
}

/**
 * The configuration that a GGUF file describes. Errors: CHECKPOINT for other architectures and for what is not computed here; CONFIG for sizes out of range.
 */
export async function readGgufConfig(file: GgufFile, label: string): Promise<DecoderConfig> {
  const fields = new ConfigFields(scalarsOf(file.metadata), label)
  const architecture = fields.text('general.architecture')
  const family = families.find(({ architectures }) => architectures.includes(architecture))
  if (family === undefined) {
    const known = families.flatMap(({ architectures }) => architectures)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: general.architecture is ${JSON.stringify(architecture).slice(0, 80)}; expected one of ${known.join(', ')}`,
    )
  }
  const tokens = file.metadata.get('tokenizer.ggml.tokens')
  const lists = await listsOf(file, label)
  const config = family.ggufConfig(fields, {
    tokens: Array.isArray(tokens) ? tokens.length : fields.number(`${architecture}.vocab_size`),
    has: (name) => file.has(name),
    numbers: (name) => lists.get(name),
  })
  return checkConfig(config)
}

/** Reads a model out of a GGUF file, its matrices in a type: by default as the file has them. Errors: OPTION, CHECKPOINT, CONFIG; FILE, IO and DTYPE of the reader. */
export async function readGgufModel(
  file: GgufFile,
  label = 'GGUF',
  options: { readonly dtype?: WeightType; readonly freezeOn?: Device } = {},
): Promise<GgufModel> {
  const { dtype = 'auto' } = options
  checkWeightType(dtype)
  const config = await readGgufConfig(file, label)
  return {
    config,
    weights: await readPackedRecord(file, config, label, { names: ggufNames(config, file.has), type: dtype, device: options.freezeOn }),
    metadata: file.metadata,
  }
}

/** What rotary angles are divided by, as Llama 3.1's and Phi-3's are. */
async function listsOf(file: GgufFile, label: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const lists = new Map<string, readonly number[]>()
  for (const name of ['rope_freqs.weight', 'rope_factors_long.weight', 'rope_factors_short.weight']) {
    if (!file.has(name)) continue
    if (file.info(name).bytes > 2 ** 16)
      throw new TransformerError(
        'CHECKPOINT',
        `${label}: ${name} has ${file.info(name).bytes} bytes; expected a number for each pair of a head`,
      )
    const { bytes } = await file.tensor(name, { dtype: 'f32' })
    lists.set(name, Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)))
  }
  return lists
}

function scalarsOf(metadata: ReadonlyMap<string, GgufValue>): Record<string, unknown> {
  // Without a prototype a key such as __proto__ is a key like any other.
  const scalars = Object.create(null) as Record<string, unknown>
  for (const [key, value] of metadata) scalars[key] = typeof value === 'bigint' ? Number(value) : value
  return scalars
}
