/** Models for workers of tests. */
import { TransformerError } from '../../errors.js'
import { tinyLm } from '../../lm/testing/tiny-lm.js'
import type { Lm } from '../../lm/types.js'

interface TinyWorkerData {
  readonly fail?: string
  /** Ends the worker at the first token. */
  readonly dies?: boolean
  /** Counts tokens, and says, by 1, that each is to keep the thread from everything else. */
  readonly steps?: SharedArrayBuffer
}

export async function loadLm({ fail, dies = false, steps }: TinyWorkerData = {}): Promise<Lm> {
  if (fail !== undefined) throw new TransformerError('CHECKPOINT', fail)
  const counter = steps === undefined ? undefined : new Int32Array(steps)
  return tinyLm({
    onStep: () => {
      if (dies) process.exit(3)
      if (counter === undefined) return
      Atomics.add(counter, 0, 1)
      Atomics.wait(counter, 1, 1)
    },
  })
}
