/** POST /v1/embeddings. */
import type { EmbeddingModelLike } from '@tesserae/core'
import { wrong } from './api-error.js'
import { described, Fields, missing } from './fields.js'

export interface EmbeddingsRequest {
  readonly model: string
  readonly values: readonly string[]
  readonly base64: boolean
  readonly dimensions: number | undefined
}

const KNOWN = new Set(['model', 'input', 'encoding_format', 'dimensions', 'user'])

export function readEmbeddingsRequest(body: Readonly<Record<string, unknown>>, limits: { readonly embeddings: number }): EmbeddingsRequest {
  const fields = new Fields(body)
  fields.refuseOthers(KNOWN)
  const model = fields.needText('model')
  const input = fields.get('input')
  if (input === undefined) throw missing('input')
  const list = typeof input === 'string' ? [input] : fields.list('input', { min: 1, max: limits.embeddings })!
  const values = list.map((one, i) => {
    if (typeof one !== 'string')
      throw wrong(`input[${i}]`, `must be a string (ids of tokens are not supported), got ${described(one)}`, 'invalid_type')
    return one
  })
  const empty = values.indexOf('')
  if (empty >= 0) throw wrong(typeof input === 'string' ? 'input' : `input[${empty}]`, 'must not be empty')
  return {
    model,
    values,
    base64: fields.oneOf('encoding_format', ['float', 'base64']) === 'base64',
    dimensions: fields.number('dimensions', { min: 1, max: 1 << 20, integer: true }),
  }
}

/** Vectors of all texts, in calls as large as the model takes. */
export async function embedAll(model: EmbeddingModelLike, request: EmbeddingsRequest, signal: AbortSignal) {
  const most = (await model.maxEmbeddingsPerCall) ?? request.values.length
  const vectors: (readonly number[])[] = []
  let tokens = 0
  for (let at = 0; at < request.values.length; at += most) {
    const { embeddings, usage } = await model.doEmbed({ values: request.values.slice(at, at + most), abortSignal: signal })
    vectors.push(...embeddings)
    tokens += usage?.tokens ?? 0
  }
  return {
    object: 'list',
    model: request.model,
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: encoded(cut(vector, request.dimensions), request.base64),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

/** The first `dimensions`, of length 1 again: right for models trained for it (A. Kusupati et al., "Matryoshka Representation Learning", 2022), for others the best there is. */
function cut(vector: readonly number[], dimensions: number | undefined): readonly number[] {
  if (dimensions === undefined || dimensions === vector.length) return vector
  if (dimensions > vector.length) throw wrong('dimensions', `this model's vectors have ${vector.length} dimensions, got ${dimensions}`)
  const head = vector.slice(0, dimensions)
  const norm = Math.hypot(...head)
  return norm === 0 ? head : head.map((value) => value / norm)
}

/** Little-endian f32, as OpenAI's clients ask for it. */
function encoded(vector: readonly number[], base64: boolean): readonly number[] | string {
  if (!base64) return vector
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  vector.forEach((value, i) => view.setFloat32(i * 4, value, true))
  let binary = ''
  for (let i = 0; i < view.byteLength; i++) binary += String.fromCharCode(view.getUint8(i))
  return btoa(binary)
}
