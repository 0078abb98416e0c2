/** Text embedders from checkpoints of Hugging Face and sentence-transformers. */
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { concat, fromBytes, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import type { Tokenizer } from '@tesserae/tokenizer'
import { promptOf, type TextEmbedder } from '../embed/embedder.js'
import { normalize } from '../embed/encode.js'
import { TransformerError } from '../errors.js'
import { linear, type LinearWeights } from '../layers/linear.js'
import { readEncoderConfig, readEncoderTokenizer, type CheckpointFiles } from './checkpoint.js'
import type { BertConfig } from './config.js'
import { activate, bertHidden } from './forward.js'
import { pool, type Pooling } from './pooling.js'
import { readBertWeights } from './read.js'
import { bertRunner } from './run.js'
import { readPipeline, type DenseStep, type SentencePipeline } from './sentence-transformers.js'
import { tokenized } from './tokenize.js'
import { disposeBertWeights, type BertWeights } from './weights.js'

export interface LoadEmbedderOptions {
  /** Where to run; default the default device. */
  readonly device?: Device | DeviceName
  /** How tokens become one vector; default what the files say, or the mean where they say nothing. */
  readonly pooling?: Pooling
  /** Whether vectors are scaled to length 1; default what the files say. */
  readonly normalize?: boolean
  /** Tokens of a text at most, special ones included; default what the files say, never more than the model's context. */
  readonly maxTokens?: number
  readonly signal?: AbortSignal
  /** Task `load-encoder`, in tensors. */
  readonly onProgress?: OnProgress
}

/** An embedder out of a checkpoint. */
export interface BertEmbedder extends TextEmbedder {
  readonly config: BertConfig
  readonly tokenizer: Tokenizer
}

/**
 * An embedder from the files of a checkpoint: BERT (MiniLM, BGE, E5, GTE), RoBERTa and XLM-R, DistilBERT or ModernBERT, with pooling, dense layers, normalisation
 * and prompts as sentence-transformers' files say. Errors: CHECKPOINT, CONFIG, OPTION; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 */
export async function openEmbedder(files: CheckpointFiles, options: LoadEmbedderOptions = {}): Promise<BertEmbedder> {
  const { device, signal, onProgress } = options
  const pipeline = await readPipeline(files)
  const model = await readEncoderConfig(files, pipeline.folder, { classifier: false })
  const { config } = model
  const pooling = options.pooling === undefined ? pipeline.pooling : [options.pooling]
  const steps = stepsOf(pipeline, options.normalize)
  const width = widthOf(steps, config.width * pooling.length, files.label)
  const { tokenizer, maxTokens } = await readEncoderTokenizer(files, pipeline.folder, config, {
    maxTokens: options.maxTokens ?? pipeline.maxTokens,
  })
  throwIfAborted(signal, 'Loading the encoder')
  const file = await files.tensors(pipeline.folder)
  const dense = new Map<DenseStep, LinearWeights>()
  const disposeDense = (): void => {
    for (const { weight, bias } of dense.values()) [weight, bias].forEach((one) => one?.dispose())
  }
  let weights
  try {
    weights = await readBertWeights(file, model, { label: files.label, signal, onProgress })
    for (const step of steps) if (step.kind === 'dense') dense.set(step, await readDense(files, step))
  } catch (error) {
    if (weights !== undefined) disposeBertWeights(weights)
    disposeDense()
    throw error
  } finally {
    await file.dispose()
  }
  return makeEmbedder({ config, weights, dense, pipeline: { ...pipeline, pooling, steps }, width, tokenizer, maxTokens, device })
}

export interface EmbedderParts {
  readonly config: BertConfig
  /** Taken over, like the dense layers'. */
  readonly weights: BertWeights
  readonly dense: ReadonlyMap<DenseStep, LinearWeights>
  readonly pipeline: Omit<SentencePipeline, 'folder' | 'maxTokens'>
  readonly width: number
  readonly tokenizer: Tokenizer
  readonly maxTokens: number
  readonly device: Device | DeviceName | undefined
}

/** Puts what was read together. Errors: OUT_OF_MEMORY, and then the weights are freed. */
export async function makeEmbedder(parts: EmbedderParts): Promise<BertEmbedder> {
  const { config, weights, dense, pipeline, width, tokenizer, maxTokens, device } = parts
  const extra = [...dense.values()].flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]))
  let runner
  try {
    runner = await bertRunner({
      config,
      weights,
      extra,
      device,
      name: 'embedTexts',
      segments: false,
      compute(input, rotary) {
        const hidden = bertHidden(weights, input, config, rotary)
        let x = pooled(hidden, input.lengths, pipeline.pooling)
        for (const step of pipeline.steps)
          x = step.kind === 'normalize' ? normalize(x) : activate(linear(dense.get(step)!, x), step.activation)
        return x
      },
    })
  } catch (error) {
    disposeBertWeights(weights)
    for (const one of extra) one.dispose()
    throw error
  }
  const dispose = (): void => runner.dispose()
  return {
    config,
    tokenizer,
    width,
    context: maxTokens,
    prompts: pipeline.prompts,
    async embed(texts, call = {}) {
      const prompt = promptOf(call, pipeline.prompts, pipeline.defaultPrompt)
      const encoded = texts.map((text, i) => {
        const whole = prompt + text
        return tokenized(pipeline.lowerCase ? whole.toLowerCase() : whole, `text ${i}`, tokenizer, maxTokens)
      })
      const vectors = await runner.run(encoded, { signal: call.signal, onProgress: call.onProgress, task: 'embed' })
      return {
        vectors,
        tokens: encoded.reduce((sum, { ids }) => sum + ids.length, 0),
        truncated: encoded.filter(({ truncated }) => truncated).length,
      }
    },
    dispose,
    [Symbol.dispose]: dispose,
  }
}

function pooled(hidden: Tensor, lengths: Tensor, pooling: readonly Pooling[]): Tensor {
  const parts = pooling.map((one) => pool(hidden, lengths, one))
  return parts.length === 1 ? parts[0]! : concat(parts, -1)
}

function stepsOf({ steps }: SentencePipeline, wanted: boolean | undefined): SentencePipeline['steps'] {
  if (wanted === undefined) return steps
  const others = steps.filter(({ kind }) => kind !== 'normalize')
  return wanted ? [...others, { kind: 'normalize' }] : others
}

/** Entries of the last vector. Errors: CHECKPOINT for layers that do not follow on each other. */
function widthOf(steps: SentencePipeline['steps'], first: number, label: string): number {
  let width = first
  for (const step of steps) {
    if (step.kind !== 'dense') continue
    if (step.into !== width)
      throw new TransformerError(
        'CHECKPOINT',
        `${label}: ${step.folder} takes vectors of ${step.into} entries, and what is before it gives ${width}`,
      )
    width = step.out
  }
  return width
}

async function readDense(files: CheckpointFiles, { folder, into, out, bias }: DenseStep): Promise<LinearWeights> {
  const file = await files.tensors(folder)
  try {
    const read = async (name: string, shape: readonly number[]): Promise<Tensor> => {
      const found = file.has(name) ? file.info(name).shape : undefined
      if (found?.join() !== shape.join())
        throw new TransformerError(
          'CHECKPOINT',
          `${files.label}: ${folder}: tensor '${name}' is ${found === undefined ? 'missing' : `[${found.join(', ')}]`}; its config.json calls for [${shape.join(', ')}]`,
        )
      const { bytes } = await file.tensor(name, { dtype: 'f32' })
      return fromBytes(bytes, { dtype: 'f32', shape, adopt: true })
    }
    const weight = await read('linear.weight', [out, into])
    return bias ? { weight, bias: await read('linear.bias', [out]) } : { weight }
  } finally {
    await file.dispose()
  }
}
