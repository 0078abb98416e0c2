import { TransformerError } from '../../errors.js'

/** What a server takes on. */
export interface ServeLimits {
  /** Answers that one model makes at a time; default 8. */
  readonly concurrency: number
  /** Answers to one model that wait beyond these before requests are refused with 429; default 64. */
  readonly queue: number
  /** Bytes of one body; default 4 MiB. */
  readonly bodyBytes: number
  /** Bytes of all bodies that are being received; default 64 MiB. */
  readonly allBodyBytes: number
  /** Bytes of one request's headers; default 16 KiB. */
  readonly headerBytes: number
  /** Connections at a time; default 1,024. */
  readonly connections: number
  /** Seconds in which headers have to arrive; default 10. */
  readonly headerSeconds: number
  /** Seconds in which a whole request has to arrive; default 60. */
  readonly receiveSeconds: number
  /** Seconds for a request from its arrival to the end of its answer, waiting included; default 600. */
  readonly requestSeconds: number
  /** Seconds that a shutdown waits for answers under way; default 30. */
  readonly shutdownSeconds: number
  /** Answers of one request: prompts times `n`; default 16. */
  readonly choices: number
  /** Tokens of one answer; default as many as the model has room for. */
  readonly maxTokens: number | undefined
  /** Texts of one request for embeddings; default 2,048. */
  readonly embeddings: number
}

const DEFAULTS: ServeLimits = {
  concurrency: 8,
  queue: 64,
  bodyBytes: 4 << 20,
  allBodyBytes: 64 << 20,
  headerBytes: 16 << 10,
  connections: 1024,
  headerSeconds: 10,
  receiveSeconds: 60,
  requestSeconds: 600,
  shutdownSeconds: 30,
  choices: 16,
  maxTokens: undefined,
  embeddings: 2048,
}

/** Errors: OPTION for a limit that is none. */
export function checkLimits(given: Partial<ServeLimits> = {}): ServeLimits {
  for (const [name, value] of Object.entries(given) as [keyof ServeLimits, number | undefined][]) {
    if (!Object.hasOwn(DEFAULTS, name))
      throw new TransformerError('OPTION', `limits has no ${name}; it has ${Object.keys(DEFAULTS).join(', ')}`)
    if (value === undefined) continue
    const least = name === 'queue' || name === 'shutdownSeconds' ? 0 : name.endsWith('Seconds') ? 0.001 : 1
    const isCount = !name.endsWith('Seconds')
    if (!(value >= least) || !Number.isFinite(value) || (isCount && !Number.isInteger(value)))
      throw new TransformerError('OPTION', `limits.${name} must be ${isCount ? 'an integer' : 'seconds'} from ${least} on, got ${value}`)
  }
  return { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}
