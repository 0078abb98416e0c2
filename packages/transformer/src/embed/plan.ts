/** How texts of many lengths are put together in batches. */

export interface BatchPlan {
  /** Tokens that each text is filled up to. */
  readonly length: number
  /** Rows of the batch, of which those behind the texts are filling. */
  readonly rows: number
  /** Which texts. */
  readonly items: readonly number[]
}

/** Rows of a program for fixed shapes. */
const fixedRows: readonly number[] = [32, 8, 1]

/** For devices that compile for fixed shapes: lengths are filled up to 16 · 2^k or the context, rows to one of a few numbers. */
export function bucketBatches(lengths: readonly number[], context: number): BatchPlan[] {
  const byLength = new Map<number, number[]>()
  lengths.forEach((own, i) => {
    const length = Math.min(context, 2 ** Math.max(4, Math.ceil(Math.log2(own))))
    const items = byLength.get(length)
    if (items === undefined) byLength.set(length, [i])
    else items.push(i)
  })
  const plans: BatchPlan[] = []
  for (const [length, items] of byLength) {
    for (let start = 0; start < items.length;) {
      const left = items.length - start
      const rows = fixedRows.findLast((candidate) => candidate >= left) ?? fixedRows[0]!
      plans.push({ length, rows, items: items.slice(start, start + rows) })
      start += rows
    }
  }
  return plans
}

/** What a batch costs beside its tokens, in tokens. */
const batchCost = 48
/** Tokens of a batch at most, and scores (pairs of tokens) of a head, unless one text alone has more. */
const mostTokens = 4096
const mostScores = 2 ** 20

/**
 * For devices that take any shape: texts sorted by length and cut where the batches together have the fewest tokens, filling included. Each
 * batch is filled up to its longest text; the longest come first, so that memory is at its most at once.
 */
export function evenBatches(lengths: readonly number[], options: { readonly rows: number }): BatchPlan[] {
  const order = Array.from(lengths.keys()).toSorted((a, b) => lengths[b]! - lengths[a]! || a - b)
  const count = order.length
  // least[i] is the cost of the texts from i on; cut[i] where the batch that begins there ends.
  const least = new Float64Array(count + 1)
  const cut = new Int32Array(count)
  for (let i = count - 1; i >= 0; i--) {
    const length = lengths[order[i]!]!
    const most = Math.max(1, Math.min(options.rows, Math.floor(mostTokens / length), Math.floor(mostScores / length ** 2), count - i))
    least[i] = Infinity
    for (let rows = 1; rows <= most; rows++) {
      const cost = rows * length + batchCost + least[i + rows]!
      if (cost < least[i]!) {
        least[i] = cost
        cut[i] = i + rows
      }
    }
  }
  const plans: BatchPlan[] = []
  for (let i = 0; i < count; i = cut[i]!) {
    const items = order.slice(i, cut[i])
    plans.push({ length: lengths[order[i]!]!, rows: items.length, items })
  }
  return plans
}
