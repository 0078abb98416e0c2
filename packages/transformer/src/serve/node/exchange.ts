/** One request and its answer, from arrival to end. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TransformerError } from '../../errors.js'
import type { BodyBudget } from './http.js'
import type { ServeLimits } from './limits.js'
import type { ServedNames } from './served.js'
import type { ServerMetrics } from './server-metrics.js'
import type { ServedRequest } from './served-request.js'

export interface Exchange {
  readonly id: string
  readonly path: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly limits: ServeLimits
  readonly served: ServedNames
  readonly metrics: ServerMetrics
  readonly budget: BodyBudget
  /** Aborts when the client hangs up, time is up, or the server ends. */
  readonly signal: AbortSignal
  /** Seconds since it arrived. */
  seconds(): number
  /** Whether the client hung up. */
  isGone(): boolean
  /** An error in place of the abort that it brought about. */
  reasonOf(error: unknown): unknown
  /** Told of what went wrong behind the status. */
  failed(error: unknown): void
  note(values: Partial<ServedRequest>): void
  noted(): Partial<ServedRequest>
  end(): void
}

interface ExchangeContext {
  readonly limits: ServeLimits
  readonly served: ServedNames
  readonly metrics: ServerMetrics
  readonly budget: BodyBudget
  readonly onError: (error: unknown, request: { readonly id: string; readonly path: string }) => void
}

export interface OpenExchange extends Exchange {
  abort(reason: Error): void
}

export function openExchange(request: IncomingMessage, response: ServerResponse, context: ExchangeContext): OpenExchange {
  const start = performance.now()
  const id = `req_${randomUUID()}`
  const path = (request.url ?? '/').split('?', 1)[0]!
  const controller = new AbortController()
  let noted: Partial<ServedRequest> = {}
  let isGone = false
  const { requestSeconds } = context.limits
  const timer = setTimeout(
    () =>
      controller.abort(new TransformerError('TIMEOUT', `the answer took longer than the ${requestSeconds} seconds that this server gives`)),
    requestSeconds * 1000,
  )
  response.on('close', () => {
    if (response.writableFinished) return
    isGone = true
    controller.abort(new TransformerError('REMOTE', 'the client hung up'))
  })
  response.setHeader('x-request-id', id)
  return {
    ...context,
    id,
    path,
    request,
    response,
    signal: controller.signal,
    seconds: () => (performance.now() - start) / 1000,
    isGone: () => isGone,
    reasonOf: (error) => (controller.signal.aborted ? controller.signal.reason : error),
    failed: (error) => context.onError(error, { id, path }),
    note: (values) => (noted = { ...noted, ...values }),
    noted: () => noted,
    end: () => clearTimeout(timer),
    abort: (reason) => controller.abort(reason),
  }
}
