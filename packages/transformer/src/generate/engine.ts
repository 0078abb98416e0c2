/** Streams that share a model: prompts in pieces, one stream at a time, and between them a token for every stream that waits for one. */
import type { SequenceCache } from '../cache/sequence.js'
import { sharedLength, type CachePool, type Slot } from '../cache/slots.js'
import { abortedBy, disposed, isAbort, noMemory } from './ends.js'
import { leaseOf, type Lease } from './lease.js'
import { judgedPiece, shortPiece, type CachePrograms } from './programs.js'
import type { Row } from './row.js'
import { later, turned, turns } from './turn.js'
import { viewOfAll, type View } from './views.js'

/** Of so many pieces one goes to the prompt that waits longest, the others to the one that is nearest to its end. */
const oldestEvery = 4
/** A row waits for another whose beginning it shares where that saves so many tokens. */
const worthWaiting = 32
/** Milliseconds after which a stream that nobody reads from lends its slot to one that waits for one. Its text is computed again when it goes on. */
const patience = 1000

export interface Engine {
  /** How many texts can be under way side by side. */
  readonly places: number
  /** A text that is to be gone on with. It takes a place when it is first asked of. */
  open(ids: readonly number[]): Row
  /** Texts that are of use together only: they take their places at the same time. */
  openTogether(texts: readonly (readonly number[])[]): Row[]
  /** Everything under way fails with DISPOSED, and all memory is freed as soon as nothing runs. */
  dispose(): void
}

export interface EngineOptions<Cache extends SequenceCache> {
  readonly programs: CachePrograms<Cache>
  readonly pool: CachePool<Cache>
  readonly vocabSize: number
  /** Of them, those that can be chosen: the first so many, which are all that rows are told of. */
  readonly vocabulary: number
  /** Most rows in a step. */
  readonly rows: number
}

interface Asked {
  readonly count: number
  readonly view: View
  /** It only looks: at the memory of the run itself. */
  readonly looks: boolean
  readonly signal: AbortSignal | undefined
  readonly settle: (result: Float32Array[] | Error) => void
}

/** A row as the engine sees it. */
interface RowOf<Cache extends SequenceCache> {
  readonly ids: number[]
  slot: Slot<Cache> | undefined
  cachedTokens: number
  started: boolean
  asked: Asked | undefined
  /** A program that was given its cache is under way. */
  busy: boolean
  closed: boolean
  /** Those that take places together with it, itself included. */
  readonly group: readonly RowOf<Cache>[]
  /** Whose cache it is to be given. */
  source: RowOf<Cache> | undefined
  /** What it looks at. */
  seen: Lease | undefined
  /** When it was last asked of, or answered. */
  since: number
}

export function makeEngine<Cache extends SequenceCache>({ programs, pool, vocabSize, vocabulary, rows }: EngineOptions<Cache>): Engine {
  type Entry = RowOf<Cache>
  /** In the order in which they were opened. */
  const open = new Set<Entry>()
  const turn = turns()
  /** Logits of pieces so far, of rows that want those of several ids. */
  const judgements = new WeakMap<Entry, Float32Array[]>()
  let running = false
  let planned = false
  let gone = false
  let pieces = 0
  let alarm: ReturnType<typeof setTimeout> | undefined

  /** Logits as far as they are of tokens that can be chosen. */
  const known = (logits: Float32Array): Float32Array => logits.subarray(0, vocabulary)
  /** What is asked for, out of what a run gave for its rows: the highest with their ids, or logits with states where they are wanted. */
  const answered = (row: Float32Array, asked: Asked, given: View): Float32Array[] => {
    if (typeof given === 'number') return [row.subarray(0, given), row.subarray(given)]
    return asked.view === 'states' ? [known(row), row.subarray(vocabSize)] : [known(row)]
  }

  const waiting = (): Entry[] => [...open].filter(({ asked }) => asked !== undefined)

  const answer = (entry: Entry, result: Float32Array[] | Error): void => {
    const { asked } = entry
    entry.asked = undefined
    entry.since = performance.now()
    asked?.settle(result)
  }

  /** Answers with a row of what a run gave. */
  const give = (entry: Entry, row: Float32Array, view: View, memory: Lease): void => {
    const asked = entry.asked!
    if (asked.looks) entry.seen = memory.share()
    answer(entry, answered(asked.looks ? row : row.slice(), asked, view))
  }

  const turnAway = (entry: Entry): void => {
    entry.seen?.end()
    entry.seen = undefined
  }

  const release = (entry: Entry): void => {
    const { slot } = entry
    if (slot === undefined || entry.busy) return
    entry.slot = undefined
    pool.release(slot)
  }

  /** Runs with the caches of rows, which nobody takes away meanwhile. Answers them with what goes wrong. */
  const withRows = async (entries: readonly Entry[], run: () => Promise<void>): Promise<void> => {
    for (const entry of entries) entry.busy = true
    try {
      await run()
    } catch (error) {
      for (const entry of entries) {
        // A cache that a failed program was given holds nothing that can be trusted.
        if (entry.slot !== undefined) pool.drop(entry.slot)
        entry.slot = undefined
        answer(entry, error as Error)
      }
    }
    for (const entry of entries) {
      entry.busy = false
      if (entry.closed || gone) release(entry)
    }
  }

  /** Copies the beginning of a row's text from a slot that has it. */
  const fill = (entry: Entry, from: Slot<Cache>, tokens: number): Promise<void> =>
    withRows([entry], async () => {
      const slot = entry.slot!
      await programs.copy(from.cache, slot.cache, tokens)
      slot.tokens.splice(0, Infinity, ...entry.ids.slice(0, tokens))
    })

  /** Gives a row a place, if there is one. */
  const place = async (entry: Entry): Promise<boolean> => {
    const taken = pool.take(entry.ids)
    if (taken === undefined) return false
    entry.slot = taken.slot
    if (taken.copyFrom !== undefined) await fill(entry, taken.copyFrom, taken.shared)
    if (!entry.started) entry.cachedTokens = taken.shared
    entry.started = true
    return true
  }

  /** Gives all of a group places, or none. */
  const placeAll = async (group: readonly Entry[]): Promise<boolean> => {
    for (const member of group)
      if (!(await place(member))) {
        for (const other of group) release(other)
        return false
      }
    return true
  }

  /** Gives places to those that wait for one, the first first, as long as there are any. */
  const admit = async (entries: readonly Entry[]): Promise<void> => {
    for (const entry of entries) {
      if (entry.slot !== undefined || entry.asked === undefined || follows(entry)) continue
      const group = entry.group.filter(({ slot, closed }) => slot === undefined && !closed)
      while (pool.available < group.length && borrow());
      if (pool.available < group.length) return
      try {
        while (!gone && !(await placeAll(group))) if (!borrow()) return refuseAlone(entry)
      } catch (error) {
        answer(entry, error as Error)
      }
    }
  }

  /** There is no memory for a place. Where nobody else has one to give back, there never will be. */
  const refuseAlone = (entry: Entry): void => {
    for (const other of open) if (other.slot !== undefined && !entry.group.includes(other)) return
    for (const member of entry.group) release(member)
    answer(entry, noMemory(entry.group.length))
  }

  /** Memory for what a row adds to its text. Where there is none those that came last are set back, and computed again later: the row itself if it is the last. */
  const makeRoom = async (entry: Entry, tokens: number): Promise<boolean> => {
    entry.busy = true
    try {
      while (!gone && !entry.closed && !(await pool.room(entry.slot!, tokens))) {
        const isOther = (row: Entry): boolean => row.slot !== undefined && !row.busy && !entry.group.includes(row)
        const some = [...open].filter((row) => row === entry || isOther(row))
        if (some.length === 1) throw noMemory(entry.group.length)
        if (borrow()) continue
        setBack(some.at(-1)!)
        if (some.at(-1) === entry) return false
      }
    } catch (error) {
      answer(entry, error as Error)
      setBack(entry)
    } finally {
      entry.busy = false
      if (entry.closed || gone) release(entry)
    }
    return entry.slot !== undefined && entry.asked !== undefined
  }

  /** Takes a row's place away. It gets one again when there is one, and what is not kept of it is computed again. */
  const setBack = (entry: Entry): void => {
    judgements.delete(entry)
    if (entry.slot !== undefined) pool.release(entry.slot)
    entry.slot = undefined
  }

  /** Brings rows to where others are, before any of them goes on. */
  const copySources = async (entries: readonly Entry[]): Promise<void> => {
    for (const entry of entries) {
      const { source, slot, ids } = entry
      entry.source = undefined
      if (source === undefined || slot === undefined) continue
      const tokens = source.slot?.sharedWith(ids) ?? 0
      if (tokens > slot.sharedWith(ids)) await fill(entry, source.slot!, tokens)
      else slot.truncate(sharedLength(slot.tokens, ids))
    }
  }

  /** Whether another row is about to compute what this one begins with too: then it is copied from there. */
  const follows = (entry: Entry): boolean => {
    for (const { slot, asked, ids } of open) {
      if (slot === undefined || asked === undefined) continue
      const common = sharedLength(ids, entry.ids)
      if (common >= worthWaiting && slot.tokens.length < common) return true
    }
    return false
  }

  /** Takes the place of the row that has been left alone for longest. */
  const borrow = (): boolean => {
    const limit = performance.now() - patience
    let idle: Entry | undefined
    for (const entry of open)
      if (entry.slot !== undefined && !entry.busy && entry.asked === undefined && entry.since <= (idle?.since ?? limit)) idle = entry
    if (idle === undefined) return false
    release(idle)
    return true
  }

  /** Tokens that a row's cache does not have yet, those included that logits are wanted of. */
  const missing = ({ ids, slot, asked }: Entry): number => {
    if (asked!.count > ids.length - slot!.tokens.length) slot!.truncate(ids.length - asked!.count)
    return ids.length - slot!.tokens.length
  }

  const runPiece = async (entry: Entry, longest: number): Promise<void> => {
    const { ids, asked } = entry
    const slot = entry.slot!
    const { count, view, signal } = asked!
    const at = slot.tokens.length
    const left = ids.length - at
    // What logits are wanted of goes in one piece, or in several that give all of theirs.
    const judged = count > 1 ? count : 0
    const before = left - judged
    const free = slot.cache.capacity - at
    const { tokens, length } =
      judged > 0 && before <= 0 ? judgedPiece(left, free) : programs.pieces(before > 0 ? before : left, free - judged, longest)[0]!
    const wanted = before > 0 && judged > 0 ? 'none' : judged > 0 ? 'all' : tokens === left ? 'last' : 'none'
    const fresh = ids.slice(at, at + tokens)
    if (!(await makeRoom(entry, tokens))) return
    await withRows([entry], async () => {
      // A single step ends soon, and may run on this thread where nobody has to break it off.
      const given = await programs.extend(slot.cache, fresh, {
        length,
        wanted,
        view,
        ...(length === 1 || signal === undefined ? {} : { signal }),
      })
      using memory = leaseOf(given)
      slot.tokens.push(...fresh)
      if (wanted === 'none' || entry.asked !== asked) return
      const logits = given.rows[0]!
      if (wanted === 'last') return give(entry, logits, view, memory)
      judgements.set(entry, [
        ...(judgements.get(entry) ?? []),
        ...fresh.map((_, i) => known(logits.slice(i * vocabSize, (i + 1) * vocabSize))),
      ])
      if (slot.tokens.length < ids.length) return
      const all = judgements.get(entry)!
      judgements.delete(entry)
      answer(entry, all)
    })
  }

  const runStep = async (all: readonly Entry[]): Promise<void> => {
    for (const entry of all) if (entry.slot !== undefined) await makeRoom(entry, 1)
    // Those that were set back, answered or left meanwhile are out.
    const entries = all.filter(({ asked, slot }) => asked !== undefined && slot !== undefined)
    if (entries.length === 0 || gone) return
    const slots = entries.map(({ slot }) => slot!)
    const used = new Set(slots)
    const together = programs.together(slots.map(({ cache }) => cache))
    const size = Math.min(rows, 2 ** Math.ceil(Math.log2(entries.length)))
    const fillers: Slot<Cache>[] = []
    while (used.size < size && !together) {
      const filler = pool.filler(used)
      if (filler === undefined) break
      used.add(filler)
      fillers.push(filler)
    }
    const fresh = entries.map(({ ids }) => ids.at(-1)!)
    const asked = entries.map((entry) => entry.asked)
    const view = viewOfAll(asked.map((one) => one?.view ?? 'logits'))
    await withRows(entries, async () => {
      let given
      try {
        given = await programs.step(
          [...slots, ...fillers].map(({ cache }) => cache),
          [...fresh, ...fillers.map(() => 0)],
          view,
        )
      } catch (error) {
        for (const filler of fillers) pool.drop(filler)
        throw error
      }
      using memory = leaseOf(given)
      for (const { cache, tokens } of fillers) cache.truncate(tokens.length)
      for (const [i, entry] of entries.entries()) {
        slots[i]!.tokens.push(fresh[i]!)
        if (entry.asked === asked[i] && entry.asked !== undefined) give(entry, given.rows[i]!, view, memory)
      }
    })
  }

  /** A piece of a prompt, and a token for each that waits for one. False when there was nothing to do. */
  const iterate = async (): Promise<boolean> => {
    await admit(waiting())
    await copySources(waiting())
    if (gone) return false
    const placed = waiting().filter(({ slot }) => slot !== undefined)
    const needs = new Map(placed.map((entry) => [entry, missing(entry)]))
    const single = placed.filter((entry) => needs.get(entry) === 1)
    const long = placed.filter((entry) => needs.get(entry)! > 1)
    const others = [...open].some((entry) => entry.slot !== undefined && needs.get(entry) === undefined)
    if (long.length > 0) {
      const first = ++pieces % oldestEvery === 0 ? long[0]! : long.reduce((a, b) => (needs.get(b)! < needs.get(a)! ? b : a))
      await runPiece(first, single.length > 0 || others ? shortPiece : Infinity)
    }
    for (let i = 0; i < single.length && !gone; i += rows) {
      // Those that were answered or left meanwhile are out.
      const group = single.slice(i, i + rows).filter(({ asked, slot }) => asked !== undefined && slot !== undefined)
      if (group.length === 0) continue
      if (group.length === 1) await runPiece(group[0]!, Infinity)
      else await runStep(group)
    }
    return placed.length > 0
  }

  const run = async (): Promise<void> => {
    running = true
    clearTimeout(alarm)
    try {
      await turn()
      while (!gone && (await iterate())) {
        const left = waiting()
        if (left.length === 0) break
        // Those that were answered just now may want to be in the next step.
        if (left.length < open.size) await turned()
        else await turn()
      }
    } catch (error) {
      for (const entry of waiting()) answer(entry, error as Error)
    } finally {
      running = false
    }
    if (gone) return
    if (waiting().length > 0) alarm = later(kick, patience)
  }

  /** Starts a round, also for those that found no place, when somebody may have left his: at once when all that are open wait, else when everybody has had a turn to ask. */
  const kick = (): void => {
    if (running || gone) return
    const count = waiting().length
    if (count === 0) return
    if (count === open.size) return void run()
    if (planned) return
    planned = true
    void turned().then(() => {
      planned = false
      if (!running && !gone && waiting().length > 0) void run()
    })
  }

  const ask = (
    entry: Entry,
    signal: AbortSignal | undefined,
    { count = 1, view = 'logits', looks = false }: Partial<Pick<Asked, 'count' | 'view' | 'looks'>> = {},
  ): Promise<Float32Array[]> =>
    new Promise((resolve, reject) => {
      if (gone || entry.closed) return reject(disposed())
      if (signal?.aborted === true) return reject(abortedBy(signal))
      const leave = (): void => answer(entry, abortedBy(signal!))
      signal?.addEventListener('abort', leave, { once: true })
      judgements.delete(entry)
      turnAway(entry)
      entry.since = performance.now()
      entry.asked = {
        count,
        view,
        looks,
        signal,
        settle(result) {
          signal?.removeEventListener('abort', leave)
          if (result instanceof Error) reject(isAbort(result) ? abortedBy(signal, result) : result)
          else resolve(result)
        },
      }
      kick()
    })

  const rowsOf = new WeakMap<Row, Entry>()

  const rowOf = (entry: Entry): Row => {
    const close = (): void => {
      if (entry.closed) return
      entry.closed = true
      open.delete(entry)
      if (entry.asked !== undefined) answer(entry, disposed())
      turnAway(entry)
      release(entry)
      kick()
    }
    const row: Row = {
      ids: entry.ids,
      get cachedTokens() {
        return entry.cachedTokens
      },
      next: async (signal) => (await ask(entry, signal))[0]!,
      look: async (signal) => (await ask(entry, signal, { looks: true }))[0]!,
      async state(signal) {
        const [logits, hidden] = (await ask(entry, signal, { view: 'states' })) as [Float32Array, Float32Array]
        return { logits, hidden }
      },
      async highest(count, signal) {
        // Few counts, so that few programs are compiled.
        const [logits, ids] = await ask(entry, signal, { view: Math.min(vocabulary, 2 ** Math.ceil(Math.log2(count))) })
        return ids === undefined ? logits! : { logits: logits!, ids, vocabulary }
      },
      nextOf: (count, signal) => ask(entry, signal, { count }),
      replace(from, others) {
        entry.ids.splice(from, Infinity, ...others)
        entry.slot?.truncate(from)
      },
      copy(other) {
        entry.source = rowsOf.get(other)!
        entry.ids.splice(0, Infinity, ...other.ids)
      },
      close,
      [Symbol.dispose]: close,
    }
    rowsOf.set(row, entry)
    return row
  }

  const openTogether: Engine['openTogether'] = (texts) => {
    if (gone) throw disposed()
    const group: Entry[] = []
    for (const ids of texts)
      group.push({
        ids: [...ids],
        slot: undefined,
        cachedTokens: 0,
        started: false,
        asked: undefined,
        busy: false,
        closed: false,
        group,
        source: undefined,
        seen: undefined,
        since: performance.now(),
      })
    for (const entry of group) open.add(entry)
    return group.map(rowOf)
  }

  return {
    places: rows,
    open: (ids) => openTogether([ids])[0]!,
    openTogether,
    dispose() {
      if (gone) return
      gone = true
      clearTimeout(alarm)
      for (const entry of open) {
        answer(entry, disposed())
        release(entry)
      }
      pool.dispose()
    },
  }
}
