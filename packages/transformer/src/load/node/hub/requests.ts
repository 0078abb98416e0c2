/** Requests to the hub: with a token where it belongs, again where that may help, and with errors that say what to do. */
import { AbortedError, throwIfAborted } from '@tesserae/core'
import { TransformerError } from '../../../errors.js'
import { pause } from '../../../pause.js'
import type { HubEnvironment } from './environment.js'

/** What a request is about. */
export interface HubSubject {
  readonly repository: string
  readonly revision: string
  readonly file?: string
}

export interface HubRequest {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Answers that are no errors to whoever asks. */
  readonly accepts?: readonly number[]
}

const attempts = 5
/** Attempts where nobody answers. */
const connections = 2
/** Longest wait that a server may ask for, in seconds. */
const longestWait = 60

/** An answer of the hub, or of the server that it sends to, for which nobody has to be known. Redirections are not followed. */
export async function ask(
  url: string,
  subject: HubSubject,
  { endpoint, token }: HubEnvironment,
  { method = 'GET', headers = {}, signal, accepts = [] }: HubRequest,
): Promise<Response> {
  const isHub = new URL(url).origin === new URL(endpoint).origin
  const sent = { ...headers, 'user-agent': 'tesserae', ...(isHub && token !== undefined ? { authorization: `Bearer ${token}` } : {}) }
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal, 'Downloading the model')
    let response: Response | undefined
    try {
      response = await fetch(url, { method, headers: sent, redirect: 'manual', ...(signal === undefined ? {} : { signal }) })
    } catch (cause) {
      if (signal?.aborted === true) throw new AbortedError('Downloading the model was aborted by its signal', { cause })
      if (attempt === connections) throw unreachable(url, cause)
    }
    if (response !== undefined) {
      if (response.ok || (response.status >= 300 && response.status < 400) || accepts.includes(response.status)) return response
      await response.body?.cancel()
      if (attempt === attempts || (response.status !== 429 && response.status < 500)) throw refusal(response, subject, token !== undefined)
    }
    await pause(waitOf(response, attempt), 'Downloading the model', signal)
  }
}

/** Seconds until the next attempt. */
function waitOf(response: Response | undefined, attempt: number): number {
  const asked = Number(response?.headers.get('retry-after') ?? NaN)
  return Number.isFinite(asked) && asked >= 0 ? Math.min(asked, longestWait) : 0.2 * 2 ** attempt
}

/** The hub could not be asked at all. */
export class Unreachable extends TransformerError {}

const unreachable = (url: string, cause: unknown): Unreachable => {
  const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause)
  return new Unreachable(
    'CHECKPOINT',
    `${new URL(url).origin} could not be reached: ${reason}. Check the connection; HF_ENDPOINT names another hub`,
    { cause },
  )
}

function refusal(response: Response, { repository, revision, file }: HubSubject, hasToken: boolean): TransformerError {
  const { status } = response
  const code = response.headers.get('x-error-code')
  const what = `hf:${repository}${revision === 'main' ? '' : `@${revision}`}${file === undefined ? '' : `/${file}`}`
  const fail = (message: string): TransformerError => new TransformerError('CHECKPOINT', `${what}: ${message}`)
  if (code === 'GatedRepo' || status === 403)
    return fail(
      `the model is gated; ask for access on its page (https://huggingface.co/${repository})${hasToken ? '' : ', then set HF_TOKEN or give the option token'}`,
    )
  if (code === 'RevisionNotFound') return fail(`there is no revision ${revision}; expected a branch, a tag or a commit`)
  if (code === 'EntryNotFound' || (status === 404 && file !== undefined)) return fail('there is no such file in the model')
  if (code === 'RepoNotFound' || status === 401 || status === 404)
    return fail(
      `there is no such model, or it is private; check its name${hasToken ? ' and whether the token may read it' : ', or set HF_TOKEN or give the option token'}`,
    )
  if (status === 429) return fail('the hub was asked too often (429); wait a few minutes, or give a token')
  return fail(`the hub answered ${status} ${response.statusText}`)
}
