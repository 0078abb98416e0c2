/** Reading and writing over node:http. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { AbortedError } from '@tesserae/core'
import { ApiError } from '../api-error.js'
import type { ServeLimits } from './limits.js'

/** Bytes of all bodies that are being held. */
export interface BodyBudget {
  held: number
}

/** The body of a request, which is no larger than it may be. Errors: ApiError 400, 413, 415, 429. */
export async function readBody(
  request: IncomingMessage,
  limits: Pick<ServeLimits, 'bodyBytes' | 'allBodyBytes'>,
  budget: BodyBudget,
): Promise<Uint8Array> {
  const type = request.headers['content-type'] ?? ''
  // A page elsewhere can send forms and plain text without asking; JSON it cannot.
  if (!/^application\/json *(;|$)/i.test(type))
    throw new ApiError(`the body must be application/json, got ${type === '' ? 'no content-type' : JSON.stringify(type.slice(0, 100))}`, {
      status: 415,
      code: 'unsupported_media_type',
    })
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() !== 'identity')
    throw new ApiError(`the body must not be compressed, got content-encoding ${JSON.stringify(encoding.slice(0, 40))}`, {
      status: 415,
      code: 'unsupported_encoding',
    })
  const tooLarge = (): ApiError =>
    new ApiError(`the body is larger than the ${limits.bodyBytes} bytes that this server takes`, { status: 413, code: 'body_too_large' })
  if (Number(request.headers['content-length'] ?? 0) > limits.bodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      budget.held += chunk.length
      if (bytes > limits.bodyBytes) throw tooLarge()
      if (budget.held > limits.allBodyBytes)
        throw new ApiError('the server is busy receiving other requests; ask again later', {
          status: 429,
          code: 'bodies_full',
          retryAfter: 1,
        })
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new AbortedError('The request was cut off', { cause: error })
  } finally {
    budget.held -= bytes
  }
  return Buffer.concat(chunks)
}

/** Sends JSON as a whole answer. A body that was not read is let pass for a moment, so that the client comes to read the answer. */
export function sendJson(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  send(response, status, JSON.stringify(value), { 'content-type': 'application/json; charset=utf-8', ...headers })
}

export function send(response: ServerResponse, status: number, text: string, headers: Readonly<Record<string, string>>): void {
  if (response.destroyed || response.headersSent) return
  const bytes = Buffer.from(text, 'utf8')
  const request = response.req
  const { 'content-length': length = '0', 'transfer-encoding': transfer } = request.headers
  const isUnread = !request.complete && (length !== '0' || transfer !== undefined)
  response.writeHead(status, { ...headers, 'content-length': bytes.length, ...(isUnread ? { connection: 'close' } : {}) })
  if (!isUnread || request.method === 'HEAD') return void response.end(request.method === 'HEAD' ? undefined : bytes)
  response.write(bytes)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, 1000)
  request.on('end', end).on('close', end).on('error', end).resume()
}

export function sendError(response: ServerResponse, error: ApiError): void {
  sendJson(response, error.status, error, {
    ...(error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) }),
    ...(error.allow === undefined ? {} : { allow: error.allow }),
    ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  })
}

/** Server-sent events; waits where the client does not read. */
export class EventStream {
  private isOpen = false

  constructor(
    private readonly response: ServerResponse,
    private readonly signal: AbortSignal,
  ) {}

  get hasBegun(): boolean {
    return this.isOpen
  }

  async send(value: unknown): Promise<void> {
    await this.write(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`)
  }

  private async write(text: string): Promise<void> {
    if (!this.isOpen) {
      this.isOpen = true
      this.response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        // Proxies such as nginx would hold the events back.
        'x-accel-buffering': 'no',
      })
      this.response.flushHeaders()
    }
    if (this.response.destroyed || this.response.write(text)) return
    await once(this.response, 'drain', { signal: this.signal }).catch((error: unknown) => {
      throw new AbortedError('The client no longer reads', { cause: error })
    })
  }

  end(): void {
    if (!this.response.destroyed) this.response.end()
  }
}

/** What the parser of HTTP found wrong, said before the connection is closed. */
export function refuseConnection(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) return void socket.destroy()
  const [status, phrase, message, code] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large', 'the headers are too large', 'headers_too_large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout', 'the request did not arrive in time', 'request_timeout']
        : [400, 'Bad Request', 'this is not HTTP/1.1 as it should be', 'bad_request']
  const body = JSON.stringify(new ApiError(message as string, { status: status as number, code: code as string }))
  socket.end(
    `HTTP/1.1 ${status} ${phrase}\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  // Who goes on sending is cut off.
  setTimeout(() => socket.destroy(), 500).unref()
}
