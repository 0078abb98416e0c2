/** Records of weights as named tensors of a safetensors file, and back. */
import { convertFloats, type Device, type DType, type Tensor, type TensorEntry, type Tensors } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { checkConfig } from '../architectures/config.js'
import {
  disposeWeights,
  isPackable,
  mapWeights,
  namedWeights,
  weightSpecs,
  type AnyDecoderWeights,
  type DecoderWeights,
} from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { isNestedDeeper } from '../json-depth.js'
import { isPacked, type Matrix } from '../layers/packed.js'
import { shapeInFile, sourceOf } from './assemble.js'
import type { RecordNames, WeightSource } from './families/family.js'
import { matrixReader, type WeightType } from './matrix.js'

/** Entries for a safetensors writer, matrices in a dtype where one is given. Each weight is read from its device when its turn comes. */
export const entriesOf = (weights: DecoderWeights, prefix = '', matrices?: DType): TensorEntry[] =>
  [...namedWeights(weights)].map(([name, weight]) => {
    const shape = weight.shape as readonly number[]
    const dtype = matrices !== undefined && isPackable(name, shape) ? matrices : weight.dtype
    return {
      name: prefix + name,
      dtype,
      shape,
      bytes: async () => (dtype === weight.dtype ? weight.bytes() : convertFloats(weight.dtype, dtype, await weight.bytes())),
    }
  })

/** Our own names, behind a prefix. `others` are further prefixes that the file may hold. */
const ownNames = (prefix = '', others: readonly string[] = []): RecordNames => ({
  sourceOf: (weight) => prefix + weight,
  isOther: (name) => others.some((other) => name.startsWith(other)),
})

/** {@link readPackedRecord} with all weights as f32. */
export const readRecord = async (file: Tensors, config: DecoderConfig, label: string, names?: RecordNames): Promise<DecoderWeights> =>
  (await readPackedRecord(file, config, label, { type: 'f32', ...(names === undefined ? {} : { names }) })) as DecoderWeights

/**
 * The weights of a configuration out of a file, matrices in a type, and with a device frozen and there. Names and shapes are checked before anything is read, and tensors are read one by one. Errors: CHECKPOINT, naming the tensor; FILE, IO and DTYPE
 * of the reader.
 */
export async function readPackedRecord(
  file: Tensors,
  config: DecoderConfig,
  label: string,
  {
    names = ownNames(),
    type,
    device,
  }: { readonly names?: RecordNames | undefined; readonly type: WeightType; readonly device?: Device | undefined },
): Promise<AnyDecoderWeights> {
  const specs = weightSpecs(config)
  const wanted = new Map<string, Wanted>()
  for (const [weight, { shape }] of namedWeights(specs)) wanted.set(weight, { shape, source: sourceOf(names, weight) })
  checkSources(file, [...wanted.values()], label, names)
  const read = new Map<string, Matrix>()
  try {
    const matrix = matrixReader(file)
    for (const [weight, { shape, source }] of wanted) {
      const one = await matrix(source, shape, isPackable(weight, shape) ? type : 'f32')
      read.set(weight, one)
      if (device !== undefined) for (const part of isPacked(one) ? Object.values(one) : [one]) (part as Tensor).freeze({ device })
    }
  } catch (error) {
    for (const weight of read.values()) for (const part of isPacked(weight) ? Object.values(weight) : [weight]) part?.dispose()
    throw error
  }
  return mapWeights(specs, (_, name) => read.get(name)!) as AnyDecoderWeights
}

interface Wanted {
  readonly shape: readonly number[]
  readonly source: WeightSource
}

/** Every tensor is there with its shape, and no other. */
function checkSources(file: Tensors, wanted: readonly Wanted[], label: string, { isOther }: RecordNames): void {
  for (const { shape, source } of wanted) {
    const expected = shapeInFile(source, shape)
    for (const name of source.names) {
      if (!file.has(name))
        throw new TransformerError(
          'CHECKPOINT',
          `${label}: tensor '${name}' [${expected.join(', ')}] is missing; its configuration calls for it, so the two belong to different models`,
        )
      const found = file.info(name).shape
      if (found.length !== expected.length || found.some((dim, i) => dim !== expected[i]))
        throw new TransformerError(
          'CHECKPOINT',
          `${label}: tensor '${name}' is [${found.join(', ')}]; its configuration calls for [${expected.join(', ')}], so the two belong to different models`,
        )
    }
  }
  const known = new Set(wanted.flatMap(({ source }) => source.names))
  const extra = file.names.find((name) => !known.has(name) && !isOther(name))
  if (extra !== undefined)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: tensor '${extra}' is not part of its configuration, so the two belong to different models`,
    )
}

/** Several records out of one file, or none: what was read is freed when a later one fails. */
export async function readRecords<Names extends string>(
  file: Tensors,
  config: DecoderConfig,
  label: string,
  names: readonly Names[],
): Promise<Record<Names, DecoderWeights>> {
  const out: Partial<Record<Names, DecoderWeights>> = {}
  try {
    for (const name of names)
      out[name] = await readRecord(
        file,
        config,
        label,
        ownNames(
          `${name}.`,
          names.filter((other) => other !== name).map((other) => `${other}.`),
        ),
      )
  } catch (error) {
    for (const record of Object.values<DecoderWeights | undefined>(out)) if (record !== undefined) disposeWeights(record)
    throw error
  }
  return out as Record<Names, DecoderWeights>
}

const format = 'tesserae-decoder'

/** The text of a `config.json`. */
export const configText = (config: DecoderConfig): string => `${JSON.stringify({ format, version: 1, ...config }, null, 2)}\n`

/** The configuration in a `config.json`. Errors: CHECKPOINT for other files; CONFIG for values out of range. */
export function parseConfig(value: Readonly<Record<string, unknown>>, label: string): DecoderConfig {
  const { format: found, version, ...config } = value
  if (found !== format)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: expected format '${format}', written by saveModel, or a model_type as Hugging Face's have. It says ${JSON.stringify(found) ?? 'nothing'}`,
    )
  if (version !== 1)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: version ${JSON.stringify(version)} of the format is not known here; expected 1. Update @tesserae/transformer`,
    )
  return checkConfig(config)
}

/** Of JSON in a checkpoint. */
const mostLevels = 64

/** A JSON object. Errors: CHECKPOINT. */
export function parseRecord(text: string, label: string): Record<string, unknown> {
  if (isNestedDeeper(text, mostLevels))
    throw new TransformerError('CHECKPOINT', `${label}: its JSON is nested deeper than ${mostLevels} levels`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `${label}: not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TransformerError('CHECKPOINT', `${label}: expected a JSON object`)
  return value as Record<string, unknown>
}
