/** The models of a server, by the names that clients call them. */
import type { EmbeddingModelLike } from '@tesserae/core'
import { TransformerError } from '../../errors.js'
import type { Lm } from '../../lm/types.js'
import { ApiError } from '../api-error.js'
import { Gate } from '../gate.js'
import type { ServeLimits } from './limits.js'

export interface ServedModels {
  /** By name. */
  readonly models?: Readonly<Record<string, Lm>>
  /** For /v1/embeddings, by name. */
  readonly embeddings?: Readonly<Record<string, EmbeddingModelLike>>
}

export interface Served<Model> {
  readonly name: string
  readonly model: Model
  readonly gate: Gate
}

export interface ServedNames {
  readonly chat: ReadonlyMap<string, Served<Lm>>
  readonly embedding: ReadonlyMap<string, Served<EmbeddingModelLike>>
}

const isLm = (what: Lm | ServedModels): what is Lm => 'stream' in what && typeof what.stream === 'function'

/** Errors: OPTION where there is no model. */
export function servedModels(what: Lm | ServedModels, limits: ServeLimits): ServedNames {
  if (typeof what !== 'object' || what === null)
    throw new TransformerError('OPTION', `serve is given an Lm, or { models: { name: lm } }, got ${String(what)}`)
  const { models = {}, embeddings = {} } = isLm(what) ? { models: { [what.info.id]: what } } : what
  const of = <Model>(record: Readonly<Record<string, Model>>): Map<string, Served<Model>> =>
    new Map(Object.entries(record).map(([name, model]) => [name, { name, model, gate: new Gate(limits) }]))
  const names = { chat: of(models), embedding: of(embeddings) }
  if (names.chat.size + names.embedding.size === 0)
    throw new TransformerError('OPTION', 'serve was given no model; give it an Lm, or { models: { name: lm } }')
  for (const name of [...names.chat.keys(), ...names.embedding.keys()])
    if (name.trim() === '') throw new TransformerError('OPTION', 'a model is served under a name, and got an empty one')
  return names
}

/** Errors: ApiError 404 that names those there are. */
export function modelNamed<Model>(models: ReadonlyMap<string, Served<Model>>, name: string): Served<Model> {
  const found = models.get(name)
  if (found !== undefined) return found
  const there = models.size === 0 ? 'there is none for this' : `there is ${[...models.keys()].join(', ')}`
  throw new ApiError(`there is no model ${JSON.stringify(name.slice(0, 100))} here; ${there}`, {
    status: 404,
    code: 'model_not_found',
    param: 'model',
  })
}
