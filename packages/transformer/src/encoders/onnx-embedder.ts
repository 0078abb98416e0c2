/** Text embedders whose encoder is an ONNX model. */
import { throwIfAborted } from '@tesserae/core'
import { tensor, type OnnxModel, type OnnxValue } from '@tesserae/tensor'
import type { Tokenizer } from '@tesserae/tokenizer'
import { promptOf, type TextEmbedder } from '../embed/embedder.js'
import { evenBatches, type BatchPlan } from '../embed/plan.js'
import { TransformerError } from '../errors.js'
import { turns } from '../generate/turn.js'
import { poolRows } from './pool-rows.js'
import type { Pooling } from './pooling.js'
import { tokenized } from './tokenize.js'

export interface OnnxEmbedderOptions {
  readonly tokenizer: Tokenizer
  /** How tokens become one vector, side by side where there are several; default the mean. Without effect where the model pools by itself. */
  readonly pooling?: Pooling | readonly Pooling[]
  /** Whether vectors are scaled to length 1; default true. */
  readonly normalize?: boolean
  /** Tokens of a text at most, special ones included; default 512. */
  readonly maxTokens?: number
  readonly prompts?: Readonly<Record<string, string>>
  /** Which of them goes before texts unless a call says otherwise; default none. */
  readonly defaultPrompt?: string
  /** Texts are lower-cased before they are cut into tokens; default false. */
  readonly lowerCase?: boolean
}

/** An embedder over an ONNX model. */
export interface OnnxTextEmbedder extends TextEmbedder {
  readonly model: OnnxModel
  readonly tokenizer: Tokenizer
}

/** What encoders are given, and what it is filled up with. */
const inputs = ['input_ids', 'attention_mask', 'token_type_ids'] as const
/** Texts of a batch at most. */
const mostRows = 64

/**
 * An embedder of an ONNX encoder, as transformers and Optimum export them: it takes `input_ids`, and `attention_mask` and `token_type_ids` where it has them, and gives `sentence_embedding`, or the tokens' vectors
 * (`last_hidden_state`, `token_embeddings`), which are pooled here. It takes the model over, and runs it once to see what it gives. Errors: CHECKPOINT for models that take or give something else.
 */
export async function onnxEmbedder(model: OnnxModel, options: OnnxEmbedderOptions): Promise<OnnxTextEmbedder> {
  const { tokenizer, normalize = true, maxTokens = 512, prompts = {}, defaultPrompt, lowerCase = false } = options
  const pooling = typeof options.pooling === 'string' ? [options.pooling] : (options.pooling ?? ['mean'])
  const output = outputOf(model)
  if (!(Number.isInteger(maxTokens) && maxTokens >= 3))
    throw new TransformerError('OPTION', `onnxEmbedder: maxTokens must be an integer of at least 3, got ${maxTokens}`)

  const runBatch = async (
    texts: readonly ArrayLike<number>[],
    { items, rows, length }: BatchPlan,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> => {
    const values = {
      input_ids: new Int32Array(rows * length),
      attention_mask: new Int32Array(rows * length),
      token_type_ids: new Int32Array(rows * length),
    }
    const lengths = items.map((item, row) => {
      values.input_ids.set(texts[item]!, row * length)
      values.attention_mask.fill(1, row * length, row * length + texts[item]!.length)
      return texts[item]!.length
    })
    const present = inputs.filter((name) => model.inputs.some((input) => input.name === name))
    const feeds = Object.fromEntries(present.map((name) => [name, tensor(values[name], { shape: [rows, length], adopt: true })]))
    try {
      const results = await model.run(feeds, { outputs: [output.name], ...(signal === undefined ? {} : { signal }) })
      using found = results[output.name]!
      const hidden = (await (found.dtype === 'f32' ? found : found.cast('f32')).data()) as Float32Array
      const width = found.shape.at(-1) as number
      const vectors =
        found.rank === 2
          ? items.map((_, row) => hidden.slice(row * width, (row + 1) * width))
          : poolRows(hidden, { length: found.shape[1] as number, width, lengths }, pooling)
      return normalize ? vectors.map(unit) : vectors
    } finally {
      for (const feed of Object.values(feeds)) feed.dispose()
    }
  }

  const probe = tokenized('a', 'text 0', tokenizer, maxTokens).ids
  const [first] = await runBatch([probe], { items: [0], rows: 1, length: probe.length }, undefined)
  return {
    model,
    tokenizer,
    width: first!.length,
    context: maxTokens,
    prompts,
    async embed(texts, call = {}) {
      const { signal, onProgress } = call
      const prompt = promptOf(call, prompts, defaultPrompt)
      const encoded = texts.map((text, i) => {
        const whole = prompt + text
        return tokenized(lowerCase ? whole.toLowerCase() : whole, `text ${i}`, tokenizer, maxTokens)
      })
      const ids = encoded.map((text) => text.ids)
      const vectors = new Array<Float32Array>(texts.length)
      const turn = turns()
      let completed = 0
      for (const plan of evenBatches(
        ids.map(({ length }) => length),
        { rows: mostRows },
      )) {
        throwIfAborted(signal, 'Embedding')
        const batch = await runBatch(ids, plan, signal)
        plan.items.forEach((item, row) => (vectors[item] = batch[row]!))
        completed += plan.items.length
        onProgress?.({ task: 'embed', completed, total: texts.length, unit: 'texts' })
        await turn()
      }
      return {
        vectors,
        tokens: ids.reduce((sum, { length }) => sum + length, 0),
        truncated: encoded.filter(({ truncated }) => truncated).length,
      }
    },
    dispose: () => model.dispose(),
    [Symbol.dispose]: () => model.dispose(),
  }
}

/** The output to take. Errors: CHECKPOINT for a model that is no text encoder. */
function outputOf(model: OnnxModel): OnnxValue {
  const names = (values: readonly OnnxValue[]): string => values.map(({ name }) => name).join(', ')
  const odd = model.inputs.find(({ name, dtype }) => !(inputs as readonly string[]).includes(name) || !['i32', 'i64'].includes(dtype))
  if (odd !== undefined || !model.inputs.some(({ name }) => name === 'input_ids'))
    throw new TransformerError(
      'CHECKPOINT',
      `the ONNX model takes ${model.inputs.map(({ name, dtype }) => `${name} (${dtype})`).join(', ')}; expected input_ids, and no others but attention_mask and token_type_ids, in i32 or i64`,
    )
  const pooled = model.outputs.find(({ name, shape }) => name === 'sentence_embedding' && shape?.length !== 3)
  const named = model.outputs.find(({ name }) => name === 'last_hidden_state' || name === 'token_embeddings')
  const found = pooled ?? named ?? model.outputs.find(({ shape }) => shape?.length === 3)
  if (found === undefined)
    throw new TransformerError(
      'CHECKPOINT',
      `the ONNX model gives ${names(model.outputs)}; expected sentence_embedding [texts, width], or last_hidden_state [texts, tokens, width]`,
    )
  return found
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length < 1e-12 ? vector : vector.map((value) => value / length)
}
