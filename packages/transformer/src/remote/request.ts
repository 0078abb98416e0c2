/** Requests that are tried again where that may help, and end where nothing comes. */
import { AbortedError, throwIfAborted } from '@tesserae/core'
import { TransformerError, type TransformerErrorCode } from '../errors.js'
import { pause } from '../pause.js'

export interface RetryOptions {
  /** Further tries after 408, 429, 5xx and connections that fail, before anything of the answer has come; default 2. */
  readonly retries?: number
  /** Seconds in which something has to come, at the beginning and between pieces; default 120. */
  readonly idleSeconds?: number
  /** Most seconds that a server's Retry-After is waited for; one that asks for more fails the call. Default 60. */
  readonly maxRetryAfterSeconds?: number
  /** In place of the platform's. */
  readonly fetch?: typeof fetch
}

export interface Sent {
  readonly response: Response
  /** Told that something came. */
  readonly alive: () => void
  /** What ended the request, in place of the error that this looks like. */
  readonly errorOf: (error: unknown) => unknown
  /** Ends the request and all its timers. */
  readonly end: () => void
}

/** An answer whose status is 2xx. Errors: AbortError; BUSY, TIMEOUT, REMOTE, and OPTION and CAPACITY where the server refuses the request. */
export async function send(
  url: string,
  init: RequestInit,
  where: string,
  options: RetryOptions,
  signal: AbortSignal | undefined,
): Promise<Sent> {
  const { retries = 2, maxRetryAfterSeconds = 60 } = options
  for (let attempt = 0; ; attempt++) {
    throwIfAborted(signal, `The request to ${where}`)
    const tried = await once(url, init, where, options, signal)
    if ('response' in tried && tried.response.ok) return tried
    const { error, wait } = 'response' in tried ? await refused(tried, where) : { error: tried.error, wait: undefined }
    const mayHelp = 'response' in tried ? worthAnother(tried.response.status) : tried.mayHelp
    if ('response' in tried) tried.end()
    if (!mayHelp || attempt >= retries || (wait ?? 0) > maxRetryAfterSeconds) throw error
    // Doubled each time, and spread so that clients turned away together do not come back together.
    await pause(wait ?? Math.min(8, 0.5 * 2 ** attempt) * (0.75 + Math.random() / 4), `The request to ${where}`, signal)
  }
}

const worthAnother = (status: number): boolean => status === 408 || status === 429 || status >= 500

async function once(
  url: string,
  init: RequestInit,
  where: string,
  { idleSeconds = 120, fetch: send = fetch }: RetryOptions,
  signal: AbortSignal | undefined,
): Promise<Sent | { readonly error: unknown; readonly mayHelp: boolean }> {
  const controller = new AbortController()
  const onAbort = (): void =>
    controller.abort(new AbortedError(`The request to ${where} was aborted by its signal`, { cause: signal?.reason }))
  let timer: ReturnType<typeof setTimeout> | undefined
  const alive = (): void => {
    clearTimeout(timer)
    timer = setTimeout(
      () => controller.abort(new TransformerError('TIMEOUT', `${where} sent nothing for ${idleSeconds} seconds`)),
      idleSeconds * 1000,
    )
  }
  const end = (): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    controller.abort()
  }
  const errorOf = (error: unknown): unknown => {
    if (controller.signal.aborted) return controller.signal.reason
    if (TransformerError.isInstance(error)) return error
    return new TransformerError('REMOTE', `${where} cannot be reached, or broke off: ${messageOf(error)}`, { cause: error })
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  alive()
  try {
    return { response: await send(url, { ...init, signal: controller.signal }), alive, errorOf, end }
  } catch (caught) {
    const error = errorOf(caught)
    end()
    return { error, mayHelp: signal?.aborted !== true }
  }
}

/** What a server says is wrong, and when it wants to be asked again. */
async function refused(
  { response, errorOf }: Sent,
  where: string,
): Promise<{ readonly error: unknown; readonly wait: number | undefined }> {
  let said: string
  try {
    said = (await response.text()).slice(0, 10_000)
  } catch (error) {
    return { error: errorOf(error), wait: undefined }
  }
  const { message, code } = detailsOf(said)
  const error = new TransformerError(codeOf(response.status, code), `${where} answered ${response.status}: ${message}`, {
    cause: { status: response.status, code },
  })
  return { error, wait: retryAfter(response.headers.get('retry-after')) }
}

/** Seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}

function codeOf(status: number, code: string): TransformerErrorCode {
  if (code === 'context_length_exceeded' || code === 'exceed_context_size_error') return 'CAPACITY'
  if (status === 400 || status === 404 || status === 413 || status === 422) return 'OPTION'
  if (status === 429) return 'BUSY'
  return status === 408 || status === 504 ? 'TIMEOUT' : 'REMOTE'
}

/** OpenAI's form, `{ error: 'text' }` of Ollama and TGI, or a text. */
export function detailsOf(said: string): { readonly message: string; readonly code: string } {
  let value: unknown
  try {
    value = JSON.parse(said)
  } catch {
    return { message: said.trim() === '' ? 'nothing more' : said.slice(0, 500), code: '' }
  }
  const record = value as { readonly error?: unknown; readonly message?: unknown; readonly code?: unknown; readonly type?: unknown } | null
  const error = record?.error ?? record
  if (typeof error === 'string') return { message: error.slice(0, 500), code: '' }
  const { message, code, type } = (error ?? {}) as { readonly message?: unknown; readonly code?: unknown; readonly type?: unknown }
  return {
    message: typeof message === 'string' ? message.slice(0, 500) : said.slice(0, 500),
    code: typeof code === 'string' ? code : typeof type === 'string' ? type : '',
  }
}

const messageOf = (error: unknown): string => {
  const { message, cause } = error as { readonly message?: string; readonly cause?: { readonly message?: string; readonly code?: string } }
  return [message ?? String(error), cause?.code ?? cause?.message].filter((text) => text !== undefined).join(', ')
}
