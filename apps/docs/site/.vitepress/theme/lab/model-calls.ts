/** The shipped model at work: its next-token logits, its attention, and generation with and without a cache. */
import { createModel, type DecoderModel } from '@tesserae/transformer'
import type { CallContext } from './protocol.js'
import { cpu, deviceText, loadShippedModel, type ShippedModel } from './shipped-model.js'

interface WithModel {
  /** Address of the folder that holds the model's files. */
  readonly folder: string
}

let shipped: Promise<ShippedModel> | undefined
let generator: Promise<DecoderModel> | undefined

/** Loaded by the first call that needs it; after a failure the next call tries again. */
function load(folder: string): Promise<ShippedModel> {
  shipped ??= loadShippedModel(folder).catch((error: unknown) => {
    shipped = undefined
    throw error
  })
  return shipped
}

async function loadGenerator(folder: string): Promise<{ model: DecoderModel; loaded: ShippedModel }> {
  const loaded = await load(folder)
  generator ??= cpu().then((device) => createModel({ ...loaded, device, borrowWeights: true }))
  return { model: await generator, loaded }
}

/** Logits [vocabSize] of the token after a text, and the text of every token. */
export async function nextLogits({ folder, text }: WithModel & { readonly text: string }, { signal }: CallContext<never>) {
  const { model, loaded } = await loadGenerator(folder)
  const all = loaded.tokenizer.encode(text, { special: 'text' })
  const ids = all.subarray(Math.max(0, all.length - loaded.config.context))
  if (ids.length === 0) throw new Error('Write at least one character: the model continues a text')
  const logits = await model.logits(ids, { signal })
  return { logits: logits.slice(-loaded.config.vocabSize), device: await deviceText() }
}

/** Attention of every layer and head over a text: maps[layer] is row-major [heads, T, T], each row a distribution over earlier tokens. */
export async function attention(
  { folder, text, maxTokens }: WithModel & { readonly text: string; readonly maxTokens: number },
  { signal }: CallContext<never>,
) {
  const { model, loaded } = await loadGenerator(folder)
  const { config, tokenizer } = loaded
  const ids = Int32Array.from(tokenizer.encode(text, { special: 'text' }).subarray(0, maxTokens))
  if (ids.length === 0) throw new Error('Write at least one character: there is nothing to attend to')
  const maps = await model.attention(ids, { signal })
  return {
    ids,
    texts: Array.from(ids, (id) => tokenizer.decode([id])),
    heads: config.heads,
    maps,
    device: await deviceText(),
  }
}

export interface TokenTiming {
  readonly mode: 'cached' | 'recomputed'
  /** Tokens in the sequence when this one was computed. */
  readonly length: number
  readonly milliseconds: number
  /** Positions that the forward pass worked through for it. */
  readonly positions: number
  readonly text: string
}

/** Generates the same continuation twice, with the key-value cache and without, and reports the time of every token. */
export async function cache(
  { folder, prompt, maxTokens }: WithModel & { readonly prompt: string; readonly maxTokens: number },
  { signal, emit }: CallContext<TokenTiming>,
) {
  const { model, loaded } = await loadGenerator(folder)
  const ids = loaded.tokenizer.encode(prompt, { special: 'text' })
  if (ids.length === 0) throw new Error('Write at least one character: the model continues a text')
  const room = loaded.config.context - ids.length
  if (room < 1) throw new Error(`The prompt has ${ids.length} tokens and the model sees ${loaded.config.context}; shorten it`)
  const count = Math.min(maxTokens, room)
  const outputs: number[][] = []
  for (const mode of ['cached', 'recomputed'] as const) {
    const useCache = mode === 'cached'
    // Programs are compiled when a length is first met; that is not what is compared here, so each kind runs once before it is timed.
    await model.generate(ids, { maxTokens: useCache ? Math.min(2, count) : count, useCache, signal })
    const output: number[] = []
    let before = performance.now()
    for await (const { id, text } of model.stream(ids, { maxTokens: count, useCache, signal })) {
      const now = performance.now()
      const length = ids.length + output.length
      emit({ mode, length, milliseconds: now - before, positions: useCache && output.length > 0 ? 1 : length, text: text ?? '' })
      output.push(id)
      before = performance.now()
    }
    outputs.push(output)
  }
  return { same: outputs[0]!.join() === outputs[1]!.join(), device: await deviceText() }
}
