import { firstRegionBytes, type OrtEnvironment } from './environment.js'

let allocator = 0

/** What ONNX Runtime's arena says of itself, undefined on runtimes older than 1.23, which do not tell. `session` is any session, the arena is everybody's. */
function statistics<Key extends string>(
  environment: OrtEnvironment,
  session: number,
  keys: readonly Key[],
): Record<Key, number> | undefined {
  const { api, arenaInfo } = environment
  if (api.newer === undefined) return undefined
  try {
    // The allocator is a handle on the shared arena and stays valid after the session it was asked from.
    if (allocator === 0) allocator = api.make('CreateAllocator', session, arenaInfo)
    api.out.clear()
    api.check(api.newer.AllocatorGetStats(allocator, api.out.address), 'reading the arena')
    const stats = api.out.pointer
    const found = keys.map((key) => [key, Number(api.newer!.GetKeyValue(stats, key) ?? 0)] as const)
    api.newer.ReleaseKeyValuePairs(stats)
    return found.every(([, value]) => Number.isFinite(value)) ? (Object.fromEntries(found) as Record<Key, number>) : undefined
  } catch {
    return undefined // statistics are a courtesy: a runtime without them works all the same
  }
}

/** Most bytes that the arena has had in use for temporaries, over all devices of the process; 0 where nobody tells. */
export const arenaPeakBytes = (environment: OrtEnvironment, session: number): number =>
  statistics(environment, session, ['MaxInUse'])?.MaxInUse ?? 0

/** Bytes that the arena keeps beyond its first region, or beyond what it ever had in use where that was more. 0 where nobody tells. */
export function arenaSlackBytes(environment: OrtEnvironment, session: number): number {
  const found = statistics(environment, session, ['TotalAllocated', 'MaxInUse'])
  return found === undefined ? 0 : found.TotalAllocated - Math.max(found.MaxInUse, firstRegionBytes)
}
