/** The engine of a model on caches of the kind that its device is best at. */
import type { CacheType } from '../cache/cache-type.js'
import { PagedSlots } from '../cache/paged.js'
import { Pages, type PageOptions, type PagesUse } from '../cache/pages.js'
import { SlotPool } from '../cache/slots.js'
import { cacheMaker } from '../cache/stack.js'
import { makeEngine, type Engine, type EngineOptions } from './engine.js'
import { hasRoom } from './memory.js'
import { makePagedPrograms } from './paged-programs.js'
import type { ProgramOptions, Programs } from './programs.js'

export interface CacheOptions extends Pick<EngineOptions<never>, 'vocabSize'> {
  /** Programs of caches with fixed capacity, and what they are made of. */
  readonly programs: Programs
  readonly of: ProgramOptions
  readonly maxStreams: number
  readonly prefixCache: boolean | number
  readonly cacheType: CacheType
  /** Present where caches are in pages. */
  readonly paging?: PageOptions
}

export interface CachedEngine {
  readonly engine: Engine
  readonly pages: () => PagesUse | undefined
}

export function makeCachedEngine({ programs, of, maxStreams, prefixCache, cacheType, paging, vocabSize }: CacheOptions): CachedEngine {
  const { config, capacity, device, vocabulary } = of
  const ids = { vocabSize, vocabulary, rows: maxStreams }
  if (paging !== undefined) {
    const pages = new Pages(config, paging)
    const paged = makePagedPrograms(pages, of)
    const pool = new PagedSlots(pages, maxStreams, () => paged.dispose())
    const engine = makeEngine({ programs: paged, pool, ...ids })
    return { engine, pages: () => pages.use }
  }
  const hasOne = (present: number): boolean => hasRoom(config, { capacity, present, cacheType }, device)
  const rows = hasOne(maxStreams - 1) ? maxStreams : 1
  const makeCache = cacheMaker(config, { rows, capacity, type: cacheType, device })
  const pool = new SlotPool({
    most: maxStreams,
    kept: Number(prefixCache),
    make: (present) => (present > 0 && !hasOne(present) ? undefined : makeCache()),
  })
  const engine = makeEngine({ programs, pool, ...ids })
  return { engine, pages: () => undefined }
}
