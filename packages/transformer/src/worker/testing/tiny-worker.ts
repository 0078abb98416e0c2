/** Models for workers of tests. */
import { TransformerError } from '../../errors.js'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'

interface TinyWorkerData {
  readonly fail?: string
  /** Cells of what a worker and its test say to each other. */
  readonly cells?: SharedArrayBuffer
}

/** Where in the cells. */
export const cell = {
  /** Counts tokens. */
  steps: 0,
  /** 1 keeps the thread from everything else at each token. */
  held: 1,
  /** 1 ends the worker at the next token; 2 too, and loading it again fails. */
  dies: 2,
  count: 3,
} as const

export async function loadLm({ fail, cells }: TinyWorkerData = {}): Promise<Lm> {
  if (fail !== undefined) throw new TransformerError('CHECKPOINT', fail)
  const shared = cells === undefined ? undefined : new Int32Array(cells)
  if (shared !== undefined && Atomics.load(shared, cell.dies) === 3) throw new TransformerError('CHECKPOINT', 'the disk is gone')
  return tinyLm({
    onStep: () => {
      if (shared === undefined) return
      Atomics.add(shared, cell.steps, 1)
      Atomics.wait(shared, cell.held, 1)
      const dies = Atomics.load(shared, cell.dies)
      if (dies === 0) return
      Atomics.store(shared, cell.dies, dies === 1 ? 0 : 3)
      process.exit(3)
    },
  })
}
