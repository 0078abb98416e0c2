/** Weights brought into fewer bits. */
import { throwIfAborted } from '@tesserae/core'
import { quantizeMatrix, type QuantizedType, type Tensor } from '@tesserae/tensor'
import { checkConfig } from '../architectures/config.js'
import { checkWeights, disposeWeights, isPackable, mapWeights, namedWeights, type AnyDecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import type { Matrix } from '../layers/packed.js'
import type { LoadedModel } from './llama2c.js'
import { packedOf } from './matrix.js'

export interface QuantizeOptions {
  /** 8 bits, 4 bits, or 4 bits with minimums, in blocks of 32: GGUF's types of these names. */
  readonly type: 'q8_0' | 'q4_0' | 'q4_1'
  readonly signal?: AbortSignal
  /** After each matrix: how many are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

const types: Readonly<Record<QuantizeOptions['type'], QuantizedType>> = { q8_0: 'Q8_0', q4_0: 'Q4_0', q4_1: 'Q4_1' }

/** A model with weights that may be packed. */
export type QuantizedModel = Omit<LoadedModel, 'weights'> & { readonly weights: AnyDecoderWeights }

/**
 * Packs the matrices of a model, tables of tokens included, in blocks of fewer bits, one after the other. Those whose rows are no multiple of 32 and those that are packed already stay as they are, as do norms, biases and
 * learned positions. It takes the weights over: a matrix is freed once it is packed. Errors: OPTION, CONFIG, WEIGHTS, AbortError, and VALUE of `@tesserae/tensor` for weights that are not finite;
 * after one the weights are freed.
 */
export async function quantize(model: LoadedModel | QuantizedModel, options: QuantizeOptions): Promise<QuantizedModel> {
  const { type, signal, onProgress } = options
  if (!Object.hasOwn(types, type))
    throw new TransformerError(
      'OPTION',
      `quantize: type is ${JSON.stringify(type)}; expected one of ${Object.keys(types)
        .map((one) => `'${one}'`)
        .join(', ')}`,
    )
  const config = checkConfig(model.config)
  const weights: AnyDecoderWeights = model.weights
  checkWeights(weights, config)
  const wanted = [...namedWeights(weights)].filter(([name, { shape }]) => isPackable(name, shape) && (shape.at(-1) as number) % 32 === 0)
  const packed = new Map<string, Matrix>()
  const all = (): AnyDecoderWeights => mapWeights<Tensor, Matrix>(weights, (leaf, name) => packed.get(name) ?? leaf) as AnyDecoderWeights
  try {
    for (const [name, matrix] of wanted) {
      throwIfAborted(signal, 'Quantising')
      const values = (await matrix.cast('f32').data()) as Float32Array
      packed.set(name, packedOf(quantizeMatrix(types[type], values, matrix.shape as readonly number[])))
      matrix.dispose()
      onProgress?.(packed.size, wanted.length)
    }
  } catch (error) {
    disposeWeights(all())
    throw error
  }
  return { config, weights: all() }
}
