/** What a server answers at which address. */
import { ApiError } from '../api-error.js'
import { embedAll, readEmbeddingsRequest } from '../embeddings.js'
import { serverHealth } from '../health.js'
import { parseBody } from '../json-body.js'
import type { Exchange } from './exchange.js'
import { generate } from './generation.js'
import { readBody, send, sendJson } from './http.js'
import { modelNamed } from './served.js'

interface Route {
  readonly method: 'GET' | 'POST'
  /** Without an API key. */
  readonly isOpen?: boolean
  readonly answer: (exchange: Exchange) => Promise<void> | void
}

const created = Math.floor(Date.now() / 1000)
const bodyOf = async ({ request, limits, budget }: Exchange) => parseBody(await readBody(request, limits, budget))

/** By path, exactly as it is sent: nothing is decoded or made shorter, so no way of writing a path leads past a check. */
const ROUTES: Readonly<Record<string, Route>> = {
  '/v1/chat/completions': { method: 'POST', answer: async (exchange) => generate('chat', exchange, await bodyOf(exchange)) },
  '/v1/completions': { method: 'POST', answer: async (exchange) => generate('completion', exchange, await bodyOf(exchange)) },
  '/v1/embeddings': { method: 'POST', answer: embed },
  '/v1/models': { method: 'GET', answer: (exchange) => sendJson(exchange.response, 200, { object: 'list', data: modelsOf(exchange) }) },
  '/health': {
    method: 'GET',
    isOpen: true,
    answer: ({ response, served }) => {
      const health = serverHealth(served.chat.values())
      sendJson(response, health.status === 'unavailable' ? 503 : 200, health)
    },
  },
  '/metrics': {
    method: 'GET',
    answer: ({ response, metrics }) => send(response, 200, metrics.text(), { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  },
}
const ONE_MODEL = '/v1/models/'

/** The route of a path and its name for the metrics, of which there are few. */
export function routeOf(path: string): { readonly name: string; readonly route: Route | undefined } {
  if (Object.hasOwn(ROUTES, path)) return { name: path, route: ROUTES[path] }
  if (path.startsWith(ONE_MODEL)) return { name: `${ONE_MODEL}*`, route: { method: 'GET', answer: oneModel } }
  return { name: 'other', route: undefined }
}

/** Errors: ApiError 404 and 405. */
export function checkRoute(route: Route | undefined, method: string): Route {
  if (route === undefined)
    throw new ApiError(`there is nothing here; there is ${Object.keys(ROUTES).join(', ')}`, { status: 404, code: 'not_found' })
  const allowed = route.method === 'GET' ? ['GET', 'HEAD'] : ['POST']
  if (!allowed.includes(method))
    throw new ApiError(`this takes ${allowed.join(' and ')}, got ${method}`, {
      status: 405,
      code: 'method_not_allowed',
      allow: allowed.join(', '),
    })
  return route
}

function modelsOf({ served }: Exchange): object[] {
  const all = [
    ...[...served.chat.values()].map(({ name, model }) => ({ name, context: model.info.context })),
    ...[...served.embedding.values()].map(({ name }) => ({ name, context: undefined })),
  ]
  return all.map(({ name, context }) => ({
    id: name,
    object: 'model',
    created,
    owned_by: 'tesserae',
    ...(context === undefined ? {} : { max_model_len: context }),
  }))
}

function oneModel(exchange: Exchange): void {
  let name = exchange.path.slice(ONE_MODEL.length)
  try {
    name = decodeURIComponent(name)
  } catch {
    // Then it is the name of no model.
  }
  const found = modelsOf(exchange).find((model) => (model as { id: string }).id === name)
  if (found === undefined) throw new ApiError('there is no such model here; see /v1/models', { status: 404, code: 'model_not_found' })
  sendJson(exchange.response, 200, found)
}

async function embed(exchange: Exchange): Promise<void> {
  const { served, limits, metrics, signal, response } = exchange
  const request = readEmbeddingsRequest(await bodyOf(exchange), limits)
  const { name, model, gate } = modelNamed(served.embedding, request.model)
  const [ticket] = gate.enter(1)
  try {
    await ticket!.turn(signal)
    const answer = await embedAll(model, request, signal)
    metrics.promptTokens.add({ model: name }, answer.usage.prompt_tokens)
    exchange.note({ model: name, promptTokens: answer.usage.prompt_tokens })
    sendJson(response, 200, answer)
  } finally {
    ticket!.release()
  }
}
