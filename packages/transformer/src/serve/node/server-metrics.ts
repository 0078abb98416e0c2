/** What a server counts. */
import type { LmHealth } from '../../lm/types.js'
import { Metrics } from '../metrics.js'
import type { ServedNames } from './served.js'

export function serverMetrics(served: ServedNames) {
  const metrics = new Metrics()
  const all = [...served.chat.values(), ...served.embedding.values()]
  metrics.gauge('tesserae_answers_running', 'Answers being made.', () => all.map(({ name, gate }) => [{ model: name }, gate.running]))
  metrics.gauge('tesserae_answers_waiting', 'Answers that wait for their turn.', () =>
    all.map(({ name, gate }) => [{ model: name }, gate.waiting]),
  )
  const told = (read: (health: LmHealth) => number) => () =>
    [...served.chat.values()].flatMap(({ name, model }) => {
      const health = model.health?.()
      return health === undefined ? [] : [[{ model: name }, read(health)] as const]
    })
  metrics.gauge(
    'tesserae_model_copies',
    'Copies of a model, each in a worker.',
    told(({ copies }) => copies),
  )
  metrics.gauge(
    'tesserae_model_copies_ready',
    'Of those, the ones that can answer.',
    told(({ ready }) => ready),
  )
  metrics.read(
    'counter',
    'tesserae_model_restarts_total',
    'Workers that died and were started again.',
    told(({ restarts }) => restarts),
  )
  metrics.gauge('process_resident_memory_bytes', 'Resident memory of the process.', () => [[{}, process.memoryUsage.rss()]])
  metrics.gauge('nodejs_heap_size_used_bytes', "Memory of JavaScript's values.", () => [[{}, process.memoryUsage().heapUsed]])
  metrics.gauge('nodejs_external_memory_bytes', "Memory that JavaScript's values hold outside of the heap.", () => [
    [{}, process.memoryUsage().external],
  ])
  const start = Date.now() / 1000 - process.uptime()
  metrics.gauge('process_start_time_seconds', 'When the process began, in seconds of the Unix epoch.', () => [[{}, start]])
  return {
    text: () => metrics.text(),
    requests: metrics.counter(
      'tesserae_requests_total',
      'Requests that were answered, by endpoint and status; 499 is a client that hung up.',
    ),
    promptTokens: metrics.counter('tesserae_prompt_tokens_total', 'Tokens of prompts.'),
    cachedTokens: metrics.counter('tesserae_cached_prompt_tokens_total', 'Tokens of prompts whose keys and values were there already.'),
    completionTokens: metrics.counter('tesserae_completion_tokens_total', 'Tokens that were sampled, of answers that ended.'),
    queueSeconds: metrics.histogram('tesserae_queue_seconds', "From the arrival of a request to an answer's turn."),
    firstTokenSeconds: metrics.histogram(
      'tesserae_time_to_first_token_seconds',
      'From the arrival of a request to the first part of its answer.',
    ),
    tokenSeconds: metrics.histogram('tesserae_time_per_output_token_seconds', 'Between tokens of an answer after the first, on average.'),
    requestSeconds: metrics.histogram('tesserae_request_seconds', 'From the arrival of a request to the end of its answer.'),
  }
}

export type ServerMetrics = ReturnType<typeof serverMetrics>
