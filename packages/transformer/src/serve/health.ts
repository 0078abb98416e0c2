/** How the models of a server are. */
import type { Lm, LmHealth } from '../lm/types.js'

interface ServerHealth {
  /** ok; degraded where some copies of a model are gone; unavailable where all are. */
  readonly status: 'ok' | 'degraded' | 'unavailable'
  /** Of which something is wrong. */
  readonly models?: Readonly<Record<string, LmHealth>>
}

export function serverHealth(models: Iterable<{ readonly name: string; readonly model: Lm }>): ServerHealth {
  const ill = [...models].flatMap(({ name, model }) => {
    const health = model.health?.()
    return health === undefined || health.ready === health.copies ? [] : [[name, health] as const]
  })
  if (ill.length === 0) return { status: 'ok' }
  const status = ill.some(([, { ready }]) => ready === 0) ? 'unavailable' : 'degraded'
  return { status, models: Object.fromEntries(ill) }
}
