import { TensorError } from '../errors.js'
import type { ByteSource } from './source.js'

export interface HttpSourceOptions {
  readonly signal?: AbortSignal
  /** Sent with every request, for example an authorization. */
  readonly headers?: Readonly<Record<string, string>>
  /** In place of the global fetch. */
  readonly fetch?: typeof fetch
  /** Bytes fetched at first, in the hope that they hold a header. */
  readonly prefixBytes?: number
  /** Largest body taken whole from a server that does not answer ranges. */
  readonly maxWholeBytes?: number
}

/**
 * A file on an HTTP server, read by ranges. The first request brings the size and the beginning of the file; a server
 * that ignores ranges sends the whole file once, which is then kept in memory. Throws IO for what the server refuses and for a file that
 * changes between requests, ABORTED when the signal fires.
 */
export async function httpSource(url: string | URL, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const label = String(url)
  const { prefixBytes = 65_536, maxWholeBytes = 1 << 30 } = options
  const request = (first: number, last: number): Promise<Response> => send(label, `bytes=${first}-${last}`, options)

  const response = await request(0, prefixBytes - 1)
  if (response.status === 416 && rangeOf(response)?.size === 0) return held(label, new Uint8Array(0))
  if (response.status === 200) return held(label, await wholeBody(response, label, maxWholeBytes, options.signal))
  const range = response.status === 206 ? rangeOf(response) : undefined
  if (range === undefined) {
    await response.body?.cancel()
    throw new TensorError(
      'IO',
      response.status === 206
        ? `${label}: the answer names no Content-Range; across origins the server must expose it (Access-Control-Expose-Headers: Content-Range)`
        : `${label}: the server answered ${response.status} ${response.statusText}`,
    )
  }
  const { size } = range
  const version = response.headers.get('etag')
  const prefix = await body(response, label, Math.min(prefixBytes, size), options.signal)

  return {
    size,
    label,
    async read(offset, length) {
      if (offset + length <= prefix.byteLength) return prefix.subarray(offset, offset + length)
      const part = await request(offset, offset + length - 1)
      const got = part.status === 206 ? rangeOf(part) : undefined
      if (got?.first !== offset || got.size !== size || part.headers.get('etag') !== version) {
        await part.body?.cancel()
        const why = got === undefined ? `it answered ${part.status} ${part.statusText}` : 'the file changed since it was opened'
        throw new TensorError('IO', `${label}: bytes ${offset} to ${offset + length} could not be read: ${why}`)
      }
      return body(part, label, length, options.signal)
    },
  }
}

const held = (label: string, bytes: Uint8Array): ByteSource => ({
  size: bytes.byteLength,
  label,
  read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
})

async function send(label: string, range: string, options: HttpSourceOptions): Promise<Response> {
  try {
    return await (options.fetch ?? fetch)(label, {
      headers: { ...options.headers, range },
      ...(options.signal ? { signal: options.signal } : {}),
    })
  } catch (cause) {
    throw failure(label, cause, options.signal)
  }
}

const failure = (label: string, cause: unknown, signal: AbortSignal | undefined): TensorError =>
  signal?.aborted
    ? new TensorError('ABORTED', `${label}: reading was aborted`, { cause })
    : new TensorError('IO', `${label}: the request failed: ${reasonOf(cause)}`, { cause })

/** fetch says "fetch failed"; why is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error as { readonly cause?: { readonly message?: string; readonly code?: string } }
  const why = cause?.message === undefined || cause.message === '' ? cause?.code : cause.message
  return why === undefined ? error.message : `${error.message} (${why})`
}

function rangeOf(response: Response): { first: number; size: number } | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
  return match === null ? undefined : { first: Number(match[1] ?? 0), size: Number(match[2]) }
}

/** Reads a body of known length, never holding more than that. */
async function body(response: Response, label: string, length: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const out = new Uint8Array(length)
  let filled = 0
  try {
    for await (const chunk of chunks(response)) {
      if (filled + chunk.byteLength > length)
        throw new TensorError('IO', `${label}: the server sent more than the ${length} bytes it was asked for`)
      out.set(chunk, filled)
      filled += chunk.byteLength
    }
  } catch (cause) {
    throw TensorError.isInstance(cause) ? cause : failure(label, cause, signal)
  }
  if (filled !== length) throw new TensorError('IO', `${label}: the server sent ${filled} of the ${length} bytes it was asked for`)
  return out
}

async function wholeBody(response: Response, label: string, limit: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let total = 0
  try {
    for await (const chunk of chunks(response)) {
      total += chunk.byteLength
      if (total > limit)
        throw new TensorError(
          'IO',
          `${label}: the server does not answer ranges, and the file is larger than the ${limit} bytes read whole; download it first, or raise maxWholeBytes`,
        )
      parts.push(chunk)
    }
  } catch (cause) {
    throw TensorError.isInstance(cause) ? cause : failure(label, cause, signal)
  }
  const out = new Uint8Array(total)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.byteLength
  }
  return out
}

/** A response's chunks; leaving the loop early cancels the rest. Readers, since not every browser iterates streams. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        ended = true
        return
      }
      yield value
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined)
  }
}
