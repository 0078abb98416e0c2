/** A checkpoint from the outside world as a running model, in one line. */
import { throwIfAborted } from '@tesserae/core'
import { resolveDevice, type Device, type DeviceName, type QuantizedInputs } from '@tesserae/tensor'
import type { ToolFormat } from '@tesserae/sampling/tools'
import type { TextTokenizer } from '@tesserae/tokenizer'
import { disposeWeights } from '../architectures/weights.js'
import { readTextFile, type CheckpointFiles } from '../checkpoints/files.js'
import { openCheckpoint, type OpenCheckpoint } from '../checkpoints/open.js'
import { checkWeightDevice, checkWeightType, type WeightType } from '../checkpoints/matrix.js'
import { parseRecord } from '../checkpoints/record.js'
import { TransformerError } from '../errors.js'
import { checkModelMemory } from '../generate/memory.js'
import { createModel } from '../generate/model.js'
import { createLm, type LocalLm } from '../lm/local.js'
import { checkCacheType, type CacheType } from '../cache/cache-type.js'
import type { PagingOptions } from '../cache/paging.js'
import type { LmSampling } from '../lm/sampling.js'
import { generationDefaults, ggufDefaults, type GenerationDefaults } from './generation-config.js'
import { licenceOf } from './model-card.js'
import type { PlaceOptions } from './address.js'
import { placeOf, type ModelSource } from './place.js'
import { readTokenizer } from './tokenizer.js'

export interface LoadModelOptions extends PlaceOptions, PagingOptions {
  /** Where to run. Default 'auto': the fastest device that works here. */
  readonly device?: Device | DeviceName
  /** What matrices are kept in. Default 'auto': as a GGUF file has them, else f32. 'f16' and 'bf16' are for devices with kernels. */
  readonly dtype?: WeightType
  /** What quantised weights are multiplied by, see `createModel`: `'rounded'` to 8 bits on a CPU, or `'f32'`. Default 'rounded'. */
  readonly activations?: QuantizedInputs
  /** Answers that are computed side by side, see `createModel`. */
  readonly maxStreams?: number
  /** Keep caches of what was said, see `createModel`. */
  readonly prefixCache?: boolean | number
  /** What keys and values are kept in, see `createModel`; default f32. */
  readonly cacheType?: CacheType
  /** Tokens of a prompt and its answer together; its cache is allocated in full. Default what the model was made for, at most 4,096. */
  readonly context?: number
  /** In place of the checkpoint's own, or where it has none. */
  readonly tokenizer?: TextTokenizer
  /** Template of chats, in place of the tokenizer's. */
  readonly chatTemplate?: string
  /** How the model calls tools; default what its template shows. */
  readonly toolFormat?: ToolFormat
  /** Settings of sampling where a call does not say otherwise, over the checkpoint's own. */
  readonly sampling?: LmSampling
  /** Name for people and servers; default that of the folder, the file or the repository. */
  readonly id?: string
}

const defaultContext = 4096

/**
 * Loads a language model: weights, tokenizer, template of chats, settings of sampling and what ends an answer.
 *
 * `source` is a path in Node (a folder of Hugging Face's or of `saveModel`, a GGUF file or any of a split one's, llama2.c's `.bin`), an address of any of these, `hf:owner/name`, `hf:owner/name@revision` or
 * `hf:owner/name/file.gguf` for a model of the hub, or a Blob or list of Files in a page. Whether it fits into memory is worked out before weights are read.
 *
 * @example
 * const lm = await loadModel('models/SmolLM2-135M-Instruct', { signal, onProgress: ({ completed, total }) => console.log(completed, total) })
 * const { text } = await lm.generate([{ role: 'user', content: 'Why is the sky blue?' }], { maxTokens: 200 })
 * @throws OPTION for a source that is none, with what may have been meant; CHECKPOINT and CONFIG for what is not computed here; OUT_OF_MEMORY with the numbers; FILE, IO and DTYPE of the readers; AbortError
 */
export async function loadModel(source: ModelSource, options: LoadModelOptions = {}): Promise<LocalLm> {
  const { signal } = options
  throwIfAborted(signal, 'Loading the model')
  const files = await placeOf(source, options)
  const opened = await openCheckpoint(files)
  try {
    return await loadOpened(files, opened, options)
  } finally {
    await opened.dispose()
  }
}

async function loadOpened(files: CheckpointFiles, opened: OpenCheckpoint, options: LoadModelOptions): Promise<LocalLm> {
  const { dtype = 'auto', signal, onProgress } = options
  const { config } = opened
  checkWeightType(dtype)
  const capacity = contextOf(options.context, config.context)
  const device = await resolveDevice(options.device ?? 'auto')
  checkWeightDevice(dtype, device)
  const cacheType = checkCacheType(options.cacheType ?? 'f32', config, device)
  checkModelMemory(await opened.memory({ dtype, capacity, cacheType }), device)
  // Small and likely to be what is missing, so before the weights.
  const tokenizer = options.tokenizer ?? (await readTokenizer(files, opened))
  const facts = await readFacts(files, opened)
  throwIfAborted(signal, 'Loading the model')
  const weights = await opened.readWeights({
    dtype,
    freezeOn: device,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  })
  let model
  try {
    throwIfAborted(signal, 'Loading the model')
    const { maxStreams, prefixCache, activations, paged, blockSize, cacheBlocks } = options
    model = await createModel({
      config,
      weights,
      tokenizer,
      capacity,
      cacheType,
      device,
      ...(activations === undefined ? {} : { activations }),
      ...(maxStreams === undefined ? {} : { maxStreams }),
      ...(prefixCache === undefined ? {} : { prefixCache }),
      ...(paged === undefined ? {} : { paged }),
      ...(blockSize === undefined ? {} : { blockSize }),
      ...(cacheBlocks === undefined ? {} : { cacheBlocks }),
    })
  } catch (error) {
    disposeWeights(weights)
    throw error
  }
  try {
    const { chatTemplate, toolFormat, sampling } = options
    return createLm({
      model,
      tokenizer,
      stop: facts.stop,
      sampling: { ...facts.sampling, ...sampling },
      info: {
        id: options.id ?? facts.id,
        architecture: opened.architecture,
        ...(facts.licence === undefined ? {} : { licence: facts.licence }),
      },
      ...(chatTemplate === undefined ? {} : { chatTemplate }),
      ...(toolFormat === undefined ? {} : { toolFormat }),
    })
  } catch (error) {
    model.dispose()
    throw error
  }
}

function contextOf(given: number | undefined, most: number): number {
  if (given === undefined) return Math.min(most, defaultContext)
  if (!Number.isInteger(given) || given < 1 || given > most)
    throw new TransformerError('OPTION', `context is an integer from 1 to the ${most} that the model was made for, got ${given}`)
  return given
}

/** What a checkpoint says beside its weights. */
export interface ModelFacts extends GenerationDefaults {
  readonly id: string
  readonly licence: string | undefined
}

export async function readFacts(files: CheckpointFiles, { metadata, values }: OpenCheckpoint): Promise<ModelFacts> {
  const id = files.name.replace(/(-\d{5}-of-\d{5})?\.(gguf|bin|safetensors)$/i, '')
  const card = await readTextFile(files, 'README.md')
  const fromCard = card === undefined ? undefined : licenceOf(card)
  if (metadata !== undefined) {
    const licence = metadata.get('general.license')
    return { id, licence: typeof licence === 'string' ? licence : fromCard, ...ggufDefaults(metadata) }
  }
  const text = await readTextFile(files, 'generation_config.json')
  const generation = text === undefined ? {} : parseRecord(text, `${files.label}/generation_config.json`)
  return { id, licence: fromCard, ...generationDefaults(values, generation) }
}
