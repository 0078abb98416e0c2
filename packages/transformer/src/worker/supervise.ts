/** A model that is started again where it dies. */
import { TransformerError } from '../errors.js'
import { streamingLm } from '../lm/streaming-lm.js'
import type { Lm, LmOptions, LmPart, LmPrompt } from '../lm/types.js'
import { pause } from '../pause.js'

export interface RestartOptions {
  /** Deaths and starts that fail, one after the other, behind which a model is left dead; 0 never starts one again. Default 5. */
  readonly limit?: number
  /** Before it is started again; twice as long each time. Default 0.5. */
  readonly delaySeconds?: number
  /** Most seconds between two starts. Default 30. */
  readonly maxDelaySeconds?: number
  /** A model that has lived for so long begins to be counted anew. Default 60. */
  readonly stableSeconds?: number
}

/** What happened to a model; `died` and `failed` have the number of the start that follows, or undefined where none does. */
export type RestartEvent =
  | { readonly type: 'died' | 'failed'; readonly error: Error; readonly next: number | undefined }
  | { readonly type: 'started' }

export interface StartedLm {
  readonly lm: Lm
  /** Resolves when the model can do no more, with the reason. */
  readonly died: Promise<Error>
}

const defaults: Required<RestartOptions> = { limit: 5, delaySeconds: 0.5, maxDelaySeconds: 30, stableSeconds: 60 }

/** Errors: OPTION. */
export function checkRestart(options: RestartOptions): Required<RestartOptions> {
  const checked = { ...defaults, ...options }
  for (const [name, value] of Object.entries(checked)) {
    if (!Object.hasOwn(defaults, name))
      throw new TransformerError('OPTION', `restart has no ${name}; it has ${Object.keys(defaults).join(', ')}`)
    const isFine = name === 'limit' ? Number.isInteger(value) && value >= 0 : value >= 0 && Number.isFinite(value)
    if (!isFine)
      throw new TransformerError(
        'OPTION',
        `restart.${name} must be ${name === 'limit' ? 'an integer' : 'a number of seconds'} from 0 on, got ${String(value)}`,
      )
  }
  return checked
}

/** While the model is dead, calls fail with REMOTE at once. Errors: those of the first start. */
export async function superviseLm(
  start: (signal: AbortSignal | undefined) => Promise<StartedLm>,
  { limit, delaySeconds, maxDelaySeconds, stableSeconds }: Required<RestartOptions>,
  {
    signal,
    onEvent = () => {},
  }: { readonly signal?: AbortSignal | undefined; readonly onEvent?: ((event: RestartEvent) => void) | undefined },
): Promise<Lm> {
  const first = await start(signal)
  const { info } = first.lm
  const ending = new AbortController()
  let current: Lm | undefined
  let reason: string | undefined
  let [born, tries, restarts] = [0, 0, 0]

  const take = ({ lm, died }: StartedLm): void => {
    ;[current, reason, born] = [lm, undefined, performance.now()]
    void died.then((error) => {
      if (ending.signal.aborted) return
      current = undefined
      if (performance.now() - born >= stableSeconds * 1000) tries = 0
      void startAgain('died', error)
    })
  }
  const startAgain = async (type: 'died' | 'failed', error: Error): Promise<void> => {
    const next = tries < limit ? ++tries : undefined
    reason = `${error.message}; ${next === undefined ? 'it is not started again' : 'it is being started again'}`
    onEvent({ type, error, next })
    if (next === undefined) return
    try {
      await pause(Math.min(maxDelaySeconds, delaySeconds * 2 ** (next - 1)), 'Starting a model again', ending.signal)
      const started = await start(ending.signal)
      if (ending.signal.aborted) return await started.lm.dispose()
      restarts++
      take(started)
      onEvent({ type: 'started' })
    } catch (failed) {
      if (!ending.signal.aborted) await startAgain('failed', failed instanceof Error ? failed : new Error(String(failed)))
    }
  }
  const living = (): Lm => {
    if (ending.signal.aborted) throw new TransformerError('DISPOSED', 'the model was disposed; keep it until its last generation has ended')
    if (current === undefined) throw new TransformerError('REMOTE', reason ?? 'the model is gone')
    return current
  }
  async function* stream(prompt: LmPrompt, options: LmOptions): AsyncGenerator<LmPart, void, undefined> {
    yield* living().stream(prompt, options as object) as AsyncGenerator<LmPart, void, undefined>
  }
  take(first)
  return streamingLm({
    info,
    stream,
    tokenize: async (prompt, options) => living().tokenize(prompt, options),
    health: () => ({ copies: 1, ready: current === undefined ? 0 : 1, restarts, reasons: reason === undefined ? [] : [reason] }),
    dispose: async () => {
      ending.abort()
      await current?.dispose()
    },
  })
}
