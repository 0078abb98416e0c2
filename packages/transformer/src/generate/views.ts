/** What programs give out of the ids that they are run for, and how it is read. */
import { concat, tensor, type Tensor } from '@tesserae/tensor'
import { highestOf } from './highest.js'

/**
 * What is given out of an id: its logits; these with what the last norm gives behind them; or so many of the highest logits of those that can be chosen and, behind these, the ids whose they are.
 */
export type View = 'logits' | 'states' | number

/** What a run gives for all of its rows. */
export function viewOfAll(views: readonly View[]): View {
  if (views.includes('states')) return 'states'
  const counts = views.filter((view) => typeof view === 'number')
  return counts.length < views.length ? 'logits' : Math.max(...counts)
}

/** What is given out of each row. Not reshaped, which at the end of a program would be a copy: it is read as one list of numbers anyhow. Ids below `vocabulary` can be chosen. */
export function viewed({ logits, hidden }: { readonly logits: Tensor; readonly hidden: Tensor }, view: View, vocabulary: number): Tensor {
  if (view === 'logits') return logits
  if (view === 'states') return concat([logits, hidden], -1)
  const { values, indices } = highestOf(logits.slice(-1, 0, vocabulary), view)
  // Floats hold ids up to 2^24.
  return concat([values, indices.cast('f32')], -1)
}

/** The numbers of a tensor, which is freed. */
export async function read(logits: Tensor): Promise<Float32Array> {
  using owned = logits
  return (await owned.data()) as Float32Array
}

/** What a run gave for each of its rows, in memory of its own where that can be seen. */
export interface Given {
  readonly rows: readonly Float32Array[]
  /** Rows are without meaning from then on. */
  dispose(): void
}

export const nothing: Given = { rows: [], dispose: () => {} }

/** The numbers of a tensor by row, which is freed with them. */
export async function given(logits: Tensor, count: number): Promise<Given> {
  try {
    const values = (await logits.peek()) as Float32Array
    const size = values.length / count
    const rows = Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size))
    return { rows, dispose: () => logits.dispose() }
  } catch (error) {
    logits.dispose()
    throw error
  }
}

/** i32 [values] */
export const wholeNumbers = (values: readonly number[]): Tensor => tensor(Int32Array.from(values), { shape: [values.length], adopt: true })

/** Ids as i32 [1, length], filled up with id 0. */
export function idsTensor(ids: readonly number[], length: number): Tensor {
  const values = new Int32Array(length)
  values.set(ids)
  return tensor(values, { shape: [1, length], adopt: true })
}
