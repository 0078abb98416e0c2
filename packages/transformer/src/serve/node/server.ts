import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { throwIfAborted } from '@tesserae/core'
import { TransformerError } from '../../errors.js'
import type { Lm } from '../../lm/types.js'
import { ApiError, apiErrorOf } from '../api-error.js'
import { openExchange, type OpenExchange } from './exchange.js'
import type { ServedRequest } from './served-request.js'
import { refuseConnection, sendError } from './http.js'
import { keyCheck } from './keys.js'
import { checkLimits, type ServeLimits } from './limits.js'
import { checkRoute, routeOf } from './routes.js'
import { serverMetrics } from './server-metrics.js'
import { servedModels, type ServedModels } from './served.js'

export interface ServeOptions {
  /** Default 8000; 0 for any that is free. */
  readonly port?: number
  /** Default 127.0.0.1: this machine alone. '0.0.0.0' or '::' lets others in, then give `apiKeys`. */
  readonly host?: string
  /** Clients send one of them as `Authorization: Bearer …`; default nobody is asked. /health is open always. */
  readonly apiKeys?: readonly string[]
  readonly limits?: Partial<ServeLimits>
  /** Origins whose pages may use the server, or '*' for all; default none. */
  readonly cors?: '*' | readonly string[]
  /** Shuts the server down as {@link LmServer.close} does. */
  readonly signal?: AbortSignal
  /** SIGTERM and SIGINT shut the server down, a second one ends at once; default false, for they are the program's. */
  readonly handleSignals?: boolean
  /** Told of each request that has ended. */
  readonly onRequest?: (request: ServedRequest) => void
  /** Told of what went wrong in the server, of which clients learn no details. */
  readonly onError?: (error: unknown, request: { readonly id: string; readonly path: string }) => void
}

/** A server that is listening. */
export interface LmServer extends AsyncDisposable {
  readonly port: number
  /** Without a slash at its end; OpenAI's clients want `${url}/v1`. */
  readonly url: string
  /** Refuses what is new, lets answers under way end, for `limits.shutdownSeconds` at most or as many as are given, and resolves when all is closed. Called again with 0, it ends at once. */
  close(seconds?: number): Promise<void>
  /** Resolves when the server has closed, for whatever reason. */
  readonly closed: Promise<void>
}

/**
 * Serves language models by OpenAI's interface over HTTP: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, and /health and /metrics. The models
 * stay the caller's. Errors: OPTION; of Node where the port is taken; AbortError.
 *
 * A model of this thread holds up everything else while it computes, /health included: see `workerModel`.
 *
 * @example
 * const server = await serve(lm, { port: 8000, handleSignals: true })
 * await server.closed
 */
export async function serve(what: Lm | ServedModels, options: ServeOptions = {}): Promise<LmServer> {
  const { port = 8000, host = '127.0.0.1', signal, onRequest, onError = () => {} } = options
  throwIfAborted(signal, 'serve')
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TransformerError('OPTION', `port must be an integer from 0 to 65535, got ${port}`)
  for (const origin of options.cors ?? [])
    if (options.cors !== '*' && origin !== 'null' && !/^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/i.test(origin))
      throw new TransformerError('OPTION', `cors: ${JSON.stringify(origin)} is no origin; expected one such as https://chat.example.org`)
  const limits = checkLimits(options.limits)
  const served = servedModels(what, limits)
  const metrics = serverMetrics(served)
  const checkKey = keyCheck(options.apiKeys)
  const exchanges = new Set<OpenExchange>()
  /** Each with the requests that are being answered on it. */
  const connections = new Map<Socket, number>()
  const budget = { held: 0 }
  let isClosing = false

  const count = (socket: Socket, by: number): void => {
    const requests = connections.get(socket)
    if (requests === undefined) return
    connections.set(socket, requests + by)
    if (isClosing && requests + by === 0) socket.destroySoon()
  }
  const answer = async (exchange: OpenExchange): Promise<void> => {
    const { request, response, path } = exchange
    const { route } = routeOf(path)
    if (isClosing) {
      response.setHeader('connection', 'close')
      throw new ApiError('the server is shutting down', { status: 503, code: 'shutting_down', retryAfter: 1 })
    }
    if (allowOrigin(request, response, options.cors)) return
    if (route?.isOpen !== true) checkKey(request.headers.authorization)
    await checkRoute(route, request.method ?? 'GET').answer(exchange)
  }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = openExchange(request, response, { limits, served, metrics, budget, onError })
    exchanges.add(exchange)
    count(request.socket, 1)
    const ended = new Promise<void>((resolve) => response.once('close', resolve))
    try {
      await answer(exchange)
    } catch (caught) {
      const error = exchange.reasonOf(caught)
      const said = apiErrorOf(error)
      if (!exchange.isGone() && said.status >= 500 && !(error instanceof ApiError)) onError(error, exchange)
      if (response.headersSent) response.destroy()
      else sendError(response, said)
    }
    await ended
    exchange.end()
    exchanges.delete(exchange)
    count(request.socket, -1)
    const { name } = routeOf(exchange.path)
    const status = exchange.isGone() ? 499 : response.statusCode
    metrics.requests.add({ endpoint: name, status: String(status) })
    metrics.requestSeconds.observe({ endpoint: name }, exchange.seconds())
    onRequest?.({
      id: exchange.id,
      method: request.method ?? '',
      path: exchange.path,
      status,
      seconds: exchange.seconds(),
      ...exchange.noted(),
    })
  }

  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headerSeconds * 1000,
      requestTimeout: limits.receiveSeconds * 1000,
      connectionsCheckingInterval: Math.max(50, Math.min(limits.headerSeconds, limits.receiveSeconds, 4) * 250),
      keepAliveTimeout: 5000,
      noDelay: true,
    },
    (request, response) => {
      request.on('error', () => {})
      response.on('error', () => {})
      handle(request, response).catch((error: unknown) => {
        onError(error, { id: '', path: '' })
        response.destroy()
      })
    },
  )
  server.maxConnections = limits.connections
  server.on('connection', (socket) => {
    connections.set(socket, 0)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('clientError', refuseConnection)
  // Nobody here speaks another protocol: without a listener Node would leave such connections to whoever sends.
  server.on('upgrade', (_request, socket) => refuseConnection(new Error('upgrade'), socket))
  server.on('connect', (_request, socket) => refuseConnection(new Error('connect'), socket))
  await listening(server, port, host)

  const closed = new Promise<void>((resolve) => server.once('close', () => resolve()))
  const endAll = (): void => {
    const reason = new TransformerError('REMOTE', 'the server has shut down')
    for (const exchange of exchanges) exchange.abort(reason)
    setTimeout(() => server.closeAllConnections(), 200)
  }
  const close = async (seconds = limits.shutdownSeconds): Promise<void> => {
    if (!isClosing) {
      isClosing = true
      server.close()
      for (const { response } of exchanges) if (!response.headersSent) response.setHeader('connection', 'close')
      // Those that are silent too, which Node does not count among the idle.
      for (const [socket, requests] of connections) if (requests === 0) socket.destroySoon()
    }
    const timer = setTimeout(endAll, seconds * 1000)
    await closed
    clearTimeout(timer)
  }
  const onAbort = (): void => void close()
  let signals = 0
  const onSignal = (): void => void close(signals++ === 0 ? undefined : 0)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (options.handleSignals === true) for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, onSignal)
  void closed.then(() => {
    signal?.removeEventListener('abort', onAbort)
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.off(name, onSignal)
  })
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return { port: address.port, url: `http://${name}:${address.port}`, close, closed, [Symbol.asyncDispose]: () => close() }
}

async function listening(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why: Readonly<Record<string, string>> = {
        EADDRINUSE: `port ${port} of ${host} is taken; give another, or 0 for any that is free`,
        EACCES: `port ${port} of ${host} is not for this user to listen on; give one from 1024 on`,
        EADDRNOTAVAIL: `host ${host} is no address of this machine`,
        ENOTFOUND: `host ${host} is not known; give an address of this machine, such as 127.0.0.1 or 0.0.0.0`,
      }
      const said = why[error.code ?? '']
      reject(said === undefined ? error : new TransformerError('OPTION', said, { cause: error }))
    })
    server.listen(port, host, () => resolve())
  })
}

/** Cross-origin headers; true where the request asked for these alone and is answered. */
function allowOrigin(request: IncomingMessage, response: ServerResponse, cors: ServeOptions['cors']): boolean {
  const { origin } = request.headers
  if (cors === undefined || origin === undefined) return false
  response.setHeader('vary', 'origin')
  if (cors !== '*' && !cors.includes(origin)) return false
  response.setHeader('access-control-allow-origin', cors === '*' ? '*' : origin)
  response.setHeader('access-control-expose-headers', 'x-request-id, retry-after')
  if (request.method !== 'OPTIONS') return false
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    // '*' does not stand for authorization; OpenAI's client sends x-stainless-… of its own.
    'access-control-allow-headers': request.headers['access-control-request-headers'] ?? 'authorization, content-type',
    'access-control-max-age': '600',
    'content-length': '0',
  })
  response.end()
  return true
}
