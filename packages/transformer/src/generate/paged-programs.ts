/** Programs for texts whose caches are in pages: a piece of one text, or a token of each of several, in one batch whatever blocks they have. */
import { jit, pagedWrite, sym, tensor, type Tensor } from '@tesserae/tensor'
import { forwardCached } from '../architectures/decoder.js'
import type { PagedCache } from '../cache/paged.js'
import { mapCache } from '../cache/parts.js'
import type { BlockCopy, Pages } from '../cache/pages.js'
import type { LayerCache } from '../layers/attention.js'
import { piecesOf, type CachePrograms, type ProgramOptions } from './programs.js'
import { given, idsTensor, nothing, viewed, wholeNumbers, type View } from './views.js'

export interface PagedPrograms extends CachePrograms<PagedCache> {
  dispose(): void
}

/** Programs are compiled on first use, and again when pools have grown. */
export function makePagedPrograms(
  pages: Pages,
  { config, weights, rotary, device, activations, vocabulary }: Omit<ProgramOptions, 'capacity'>,
): PagedPrograms {
  const only = sym('only', { max: config.context })
  const where = { device, quantizedInputs: activations }
  const options = { config, ...(rotary === undefined ? {} : { rotary }) }

  const run = jit(
    (layers: readonly LayerCache[], ids: Tensor, tables: readonly Tensor[], position: Tensor, last: boolean, view: View) => {
      const own = { ...options, position, table: tables[0]!, windowTable: tables.at(-1)! }
      const result = forwardCached(weights, ids, layers, { ...own, ...(last ? { only } : {}) })
      return { logits: viewed(result, view, vocabulary), cache: result.cache }
    },
    { donate: [0], static: [5], name: 'decodePages', ...where },
  )
  const copyBlocks = jit(
    (layers: readonly LayerCache[], from: Tensor, to: Tensor) => {
      const moved = (pool: Tensor): Tensor => pagedWrite(pool, pool.gather(from, 0), to.reshape(to.size, 1), 0)
      return layers.map((layer) => mapCache(layer, moved))
    },
    { donate: [0], name: 'copyBlocks', ...where },
  )

  /** Runs with pools that are written to; where that fails nobody knows what is in them. */
  const writing = async <Result>(body: () => Promise<Result>): Promise<Result> => {
    try {
      return await body()
    } catch (error) {
      pages.lost()
      throw error
    }
  }

  /** Copies that texts wait for, a lane's all at once. */
  const makeCopies = async (): Promise<void> => {
    for (const copies of roundsOf(pages.copies)) {
      const { lane } = copies[0]!
      const size = 2 ** Math.ceil(Math.log2(copies.length))
      const numbers = (of: (copy: BlockCopy) => number, none: number): Tensor =>
        wholeNumbers(Array.from({ length: size }, (_, i) => (copies[i] === undefined ? none : of(copies[i]))))
      using from = numbers((copy) => copy.from.number, 0)
      using to = numbers((copy) => copy.to.number, -1)
      pages.replaceOf(lane, await copyBlocks.run([pages.layersOf(lane), from, to]))
    }
    pages.copied()
  }

  /** i32 [rows, most] of each lane; rows that are nobody's have no blocks. */
  const tablesOf = (caches: readonly PagedCache[], rows: number): Tensor[] =>
    pages.lanes.map((lane) => {
      const all = new Int32Array(rows * pages.perText).fill(-1)
      for (const [i, cache] of caches.entries()) cache.writeTable(lane, all, i * pages.perText)
      return tensor(all, { shape: [rows, pages.perText], adopt: true })
    })

  /** Writes `ids` i32 [rows, tokens] behind what caches have, and gives what is asked for of them. */
  const runRows = (
    caches: readonly PagedCache[],
    ids: Tensor,
    { last, view }: { readonly last?: number; readonly view: View },
    fresh: (i: number) => readonly number[],
  ): Promise<Tensor> =>
    writing(async () => {
      await makeCopies()
      const rows = ids.shape[0] as number
      const tables = tablesOf(caches, rows)
      using positions = wholeNumbers(Array.from({ length: rows }, (_, i) => caches[i]?.position ?? 0))
      try {
        const symbols = new Map([[only, last ?? 0]])
        const result = await run.run([pages.layers, ids, tables, positions, last !== undefined, view], { symbols })
        pages.replace(result.cache)
        for (const [i, cache] of caches.entries()) cache.wrote(fresh(i))
        return result.logits
      } finally {
        for (const table of tables) table.dispose()
      }
    })

  return {
    pieces: piecesOf,
    // A signal is answered at once, and the piece under way runs to its end: what is broken off leaves nothing of the pools that others are in.
    async extend(cache, ids, { length, wanted, view = 'logits' }) {
      cache.reserve(ids.length)
      using input = idsTensor(ids, length)
      const last = length === 1 || wanted === 'all' ? {} : { last: ids.length - 1 }
      const logits = await runRows([cache], input, { ...last, view }, () => ids)
      if (wanted !== 'none') return given(logits, 1)
      logits.dispose()
      return nothing
    },
    async step(caches, ids, view = 'logits') {
      for (const cache of caches) cache.reserve(1)
      // Few sizes, so that few programs are compiled.
      const rows = 2 ** Math.ceil(Math.log2(caches.length))
      using input = tensor(
        Int32Array.from({ length: rows }, (_, i) => ids[i] ?? 0),
        { shape: [rows, 1], adopt: true },
      )
      const logits = await runRows(caches, input, { view }, (i) => [ids[i]!])
      const { rows: all, dispose } = await given(logits, rows)
      return { rows: all.slice(0, caches.length), dispose }
    },
    together: () => true,
    copy(from, to, tokens) {
      to.become(from, tokens)
      return Promise.resolve()
    },
    dispose() {
      run.dispose()
      copyBlocks.dispose()
    },
  }
}

/** Copies that can be made at once: of one lane, and none of them of what another has to write first. */
function roundsOf(copies: readonly BlockCopy[]): BlockCopy[][] {
  const rounds: BlockCopy[][] = []
  for (const copy of copies) {
    const round = rounds.at(-1)
    if (round === undefined || round[0]!.lane !== copy.lane || round.some(({ to }) => to === copy.from)) rounds.push([copy])
    else round.push(copy)
  }
  return rounds
}
