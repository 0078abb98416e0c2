import type { OrtEnvironment } from './environment.js'

let allocator = 0

/**
 * Most bytes that ONNX Runtime's arena has had in use for temporaries, over all devices of the process. 0 on runtimes
 * older than 1.23, which do not tell. `session` is any session, the arena is everybody's.
 */
export function arenaPeakBytes(environment: OrtEnvironment, session: number): number {
  const { api, arenaInfo } = environment
  if (api.newer === undefined) return 0
  try {
    // The allocator is a handle on the shared arena and stays valid after the session it was asked from.
    if (allocator === 0) allocator = api.make('CreateAllocator', session, arenaInfo)
    api.out.clear()
    api.check(api.newer.AllocatorGetStats(allocator, api.out.address), 'reading the arena')
    const stats = api.out.pointer
    const peak = Number(api.newer.GetKeyValue(stats, 'MaxInUse') ?? 0)
    api.newer.ReleaseKeyValuePairs(stats)
    return Number.isFinite(peak) ? peak : 0
  } catch {
    return 0 // statistics are a courtesy: a runtime without them works all the same
  }
}
