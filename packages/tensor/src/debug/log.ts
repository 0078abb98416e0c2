/**
 * What `DEBUG=1..4` or `setDebug` shows: 1 compilations and recompilations, 2 also the graph of each program,
 * 3 also every run with its time, 4 also time per node. Lines go to a sink, the console unless another is set.
 */
export type DebugLevel = 0 | 1 | 2 | 3 | 4
export type DebugSink = (line: string) => void

let level: DebugLevel | undefined
// Printing is what DEBUG asks for, so this is the one place in the library that may reach for the console.
// oxlint-disable-next-line no-console
let sink: DebugSink = (line) => console.error(line)

/** Sets the debugging level, and where its lines go. */
export function setDebug(value: DebugLevel, to?: DebugSink): void {
  level = value
  if (to !== undefined) sink = to
}

/** The level in force: what `setDebug` said, else the environment's DEBUG where there is one, read at first use. */
export function debugLevel(): DebugLevel {
  if (level === undefined) {
    const environment = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.['DEBUG']
    level = environment !== undefined && /^[1-4]$/.test(environment) ? (Number(environment) as DebugLevel) : 0
  }
  return level
}

export function debugLog(at: DebugLevel, line: () => string): void {
  if (debugLevel() >= at) sink(`[tesserae] ${line()}`)
}

export type WarningListener = (message: string) => void
const listeners = new Set<WarningListener>()

/** Registers a listener for warnings (recompilations, slow fallbacks); returns the function that removes it. */
export function onWarning(listener: WarningListener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function warn(message: string): void {
  for (const listener of listeners) listener(message)
  debugLog(1, () => `warning: ${message}`)
}
