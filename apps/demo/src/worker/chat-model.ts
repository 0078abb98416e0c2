/** The chat model: fetched once, kept, and replaced where the Align room has trained another. */
import { Tokenizer } from '@tesserae/tokenizer'
import { createModel, type DecoderConfig, type DecoderModel, type DecoderWeights } from '@tesserae/transformer'
import { decodeModel } from './checkpoint.js'
import type { ChatVariant } from './chat-calls.js'
import { device } from './device.js'
import { fetchBytes, fetchText } from './fetch.js'

interface Files {
  readonly tokenizer: Tokenizer
  readonly bytes: Uint8Array<ArrayBuffer>
}

let files: Promise<Files> | undefined
const models = new Map<ChatVariant, Promise<DecoderModel>>()

export type OnReceived = (received: number, total: number | undefined) => void

/** The shipped files. After a failure the next call fetches again. */
export function chatFiles(onProgress?: OnReceived): Promise<Files> {
  files ??= (async () => {
    const [json, bytes] = await Promise.all([
      fetchText('tokenizer/tokenizer.json'),
      fetchBytes('chat/model.safetensors', onProgress === undefined ? {} : { onProgress }),
    ])
    return { tokenizer: Tokenizer.fromJSON(json), bytes }
  })()
  files.catch(() => (files = undefined))
  return files
}

/** Fresh weights of the shipped model; the caller owns them. */
export async function shippedWeights(): Promise<{ config: DecoderConfig; weights: DecoderWeights; tokenizer: Tokenizer }> {
  const { bytes, tokenizer } = await chatFiles()
  return { ...(await decodeModel(bytes, 'chat/model.safetensors')), tokenizer }
}

export interface LoadedChat {
  readonly model: DecoderModel
  readonly tokenizer: Tokenizer
}

export async function chatModel(variant: ChatVariant, onProgress?: OnReceived): Promise<LoadedChat> {
  const { tokenizer } = await chatFiles(onProgress)
  if (variant === 'shipped' && !models.has(variant)) {
    const made = (async () => createModel({ ...(await shippedWeights()), device: await device() }))()
    models.set(variant, made)
    made.catch(() => models.delete(variant))
  }
  const model = models.get(variant)
  if (model === undefined) throw new Error('No aligned model has been trained in this tab yet; the Align room makes one.')
  return { model: await model, tokenizer }
}

/** Takes over a model as the aligned one; the one before it is freed. */
export async function setAligned(model: DecoderModel | undefined): Promise<void> {
  const before = models.get('aligned')
  if (model === undefined) models.delete('aligned')
  else models.set('aligned', Promise.resolve(model))
  ;(await before)?.dispose()
}
