/** The dispatches of attention's backward pass: one for the gradient of the queries, one for those of keys and values. */
import type { Node, TensorType, Value } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { keyGradients, queryGradients, type BackwardRows } from '../kernel/lib/attention-backward.js'
import type { Rows, Span } from '../kernel/lib/attention-rows.js'
import { blockQueries, blockThreads, type AttentionBlock } from '../kernel/lib/attention-tile.js'
import { asExpr, times, type Amount } from '../kernel/lib/indexing.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import type { AttentionAttrs } from '../ops/attention.js'
import { dimMax, elementCount, elementCountAt, type Dim, type SymValues } from '../shape.js'
import { attentionEnds, biasAt, lengthOf, reader, writer, type Write } from './attention-groups.js'
import type { Dispatch, DispatchOptions } from './dispatches.js'
import { inVectors, kernelOf, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'
import { rangesOf } from './reach.js'

type Inputs = readonly [q: Value, k: Value, v: Value, gradient: Value, sums: Value, delta: Value, mask: Value | undefined]

/** How the backward pass of an attention of these inputs is cut; undefined where it has no kernels. */
export function backwardBlock([q, k]: readonly TensorType[], tuning: Tuning): AttentionBlock | undefined {
  const [batch, heads, tokens, width] = q!.shape as readonly [Dim, number, Dim, number]
  const [, keyHeads, keys] = k!.shape as readonly [Dim, number, Dim]
  const least = Math.min(elementCount([batch, heads]) * dimMax(tokens), elementCount([batch, keyHeads]) * dimMax(keys))
  return tuning.attentionBackward({ rows: least, width }, tuning.sharedBytes)
}

/** Bindings that the larger of its dispatches takes, by the inputs of either pass. */
export function backwardBindings(op: string, inputs: readonly TensorType[], options: DispatchOptions): number {
  const { maxBindings, rangeBytes = Infinity, blockBytes = Infinity } = options
  const [q, k] = inputs as readonly [TensorType, TensorType]
  const perQuery: TensorType = { shape: q.shape.slice(0, 3), dtype: 'f32' }
  // Queries and their gradient, keys and values with what is written of them, sums and deltas, and a mask.
  const bound = [q, q, k, k, k, k, perQuery, perQuery, ...inputs.slice(op === 'attentionForward' ? 3 : 6)]
  return rangesOf(bound, { maxBindings, rangeBytes, blockBytes })
}

export function attentionGradDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const block = backwardBlock(
    node.inputs.map(({ node: input, index }) => input.outputs[index]!),
    tuning,
  )!
  const [q, k] = node.inputs as Inputs
  const dispatch = (title: string, of: Value, build: (parts: KernelParts, lanes: 1 | 4) => void): Dispatch => {
    const built = inVectors((lanes) => kernelOf(title, memory, blockThreads(block), (parts) => build(parts, lanes)))
    const { kernel, places, symbols } = built
    const groups = (values: SymValues): number => {
      const [batch, heads, rows] = shapeOf(of) as readonly [Dim, Dim, Dim]
      return elementCountAt([batch, heads], values) * Math.ceil(elementCountAt([rows], values) / blockQueries(block))
    }
    return { kernel, places, symbols, threads: (values) => groups(values) * blockThreads(block), title }
  }
  const wanted = (...outputs: number[]): boolean => outputs.some((index) => memory.of({ node, index }) !== undefined)
  return [
    ...(wanted(0) ? [dispatch('attentionGrad_queries', q, (parts, lanes) => gradQueries(node, block, parts, lanes, memory))] : []),
    ...(wanted(1, 2) ? [dispatch('attentionGrad_keys', k, (parts, lanes) => gradKeys(node, block, parts, lanes, memory))] : []),
  ]
}

/** The block of a workgroup: of which batch and head, and the first of its rows. */
interface BlockPlace {
  readonly batch: Expr
  readonly head: Expr
  readonly top: Expr
}

/** Runs for the block of this workgroup, of so many rows of each of so many heads. */
function forBlock(
  { b, symbols, group, when }: KernelParts,
  of: Value,
  block: AttentionBlock,
  body: (place: BlockPlace, rows: Amount) => void,
): void {
  const [batches, heads, count] = shapeOf(of) as readonly [Dim, number, Dim]
  const rows = symbols.dim(count)
  const height = blockQueries(block)
  const chunks = typeof rows === 'number' ? Math.ceil(rows / height) : b.let('chunks', rows.add(height - 1).div(height))
  when(group, times(times(symbols.count([batches]), heads), chunks), () => {
    const rest = b.let('rest', group.div(asExpr(chunks)))
    const top = b.let('top', group.rem(asExpr(chunks)).mul(height))
    body({ batch: b.let('batch', rest.div(heads)), head: b.let('head', rest.rem(heads)), top }, rows)
  })
}

interface HeadOptions {
  readonly batch: Expr
  readonly head: Expr
  readonly keyHead: Expr
  /** The query that a row is of; behind the last it is the last again. */
  readonly token: (row: Expr) => Expr
  readonly span: Span
}

/** The queries of one head, with their keys and what the forward pass left of them. */
function headRows(node: Node, parts: KernelParts, lanes: 1 | 4, memory: Memory): (options: HeadOptions) => BackwardRows {
  const [q, k, v, gradient, sums, delta, mask] = node.inputs as Inputs
  const { b, symbols, elements } = parts
  const [, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const [, keyHeads, keyCount] = shapeOf(k) as readonly [Dim, number, Dim]
  const [readQ, readK, readV, readGradient] = [q, k, v, gradient].map((value) => reader(parts, memory, value, width, lanes))
  const ends = attentionEnds(node)
  return ({ batch, head, keyHead, token, span }) => {
    const first = b.let('firstQuery', asExpr(times(batch.mul(heads).add(head), symbols.dim(tokens))))
    const keyRow = b.let('keyRow', asExpr(times(batch.mul(keyHeads).add(keyHead), symbols.dim(keyCount))))
    const query = (row: Expr): Expr => b.let('query', first.add(token(row)))
    return {
      b,
      columns: Math.ceil(width / 4),
      query: (row, column) => readQ!(query(row), column),
      gradient: (row, column) => readGradient!(query(row), column),
      key: (s, column) => readK!(keyRow.add(s), column),
      value: (s, column) => readV!(keyRow.add(s), column),
      sums: (row) => elements.at(sums, query(row)),
      delta: (row) => elements.at(delta, query(row)),
      seen: (row) => ends(parts, batch, token(row)),
      span,
      scale: node.attrs['scale'] as number,
      softcap: node.attrs['softcap'] as number | undefined,
      bias: mask === undefined ? undefined : (row) => (s) => biasAt(parts, mask, [batch, head, token(row), s]),
      inside: (body) => elements.inside(body),
    }
  }
}

function gradQueries(node: Node, block: AttentionBlock, parts: KernelParts, lanes: 1 | 4, memory: Memory): void {
  const [q, k] = node.inputs as Inputs
  const { b, when } = parts
  const [heads, keyHeads] = [shapeOf(q)[1] as number, shapeOf(k)[1] as number]
  const write = writer(parts, { node, index: 0 }, lanes)!
  const rowsOf = headRows(node, parts, lanes, memory)
  forBlock(parts, q, block, ({ batch, head, top }, tokens) => {
    const last = b.let('lastRow', asExpr(tokens).sub(1))
    const token = (row: Expr): Expr => b.let('token', top.add(row).min(last))
    const ends = (row: number): Span => attentionEnds(node)(parts, batch, token(u32(row)))
    const keyHead = heads === keyHeads ? head : b.let('keyHead', head.div(heads / keyHeads))
    const span: Span = {
      get from() {
        return ends(0).from
      },
      get to() {
        return ends(blockQueries(block) - 1).to
      },
    }
    const first = b.let('first', asExpr(times(batch.mul(heads).add(head), tokens)).add(top))
    queryGradients(rowsOf({ batch, head, keyHead, token, span }), block, (row, column, numbers) =>
      when(top.add(row), tokens, () => write(b.let('query', first.add(row)), column, numbers)),
    )
  })
}

function gradKeys(node: Node, block: AttentionBlock, parts: KernelParts, lanes: 1 | 4, memory: Memory): void {
  const [q, k] = node.inputs as Inputs
  const { b, elements, when } = parts
  const heads = shapeOf(q)[1] as number
  const keyHeads = shapeOf(k)[1] as number
  const shared = heads / keyHeads
  const rowsOf = headRows(node, parts, lanes, memory)
  const [writeKey, writeValue] = [1, 2].map((index) => writer(parts, { node, index }, lanes))
  forBlock(parts, k, block, ({ batch, head: keyHead, top }, keys) => {
    const seers = seersOf(node, parts, top, blockQueries(block))
    const token = (row: Expr): Expr => row
    const none: Span = { from: u32(0), to: u32(0) }
    const forHead = (head: Expr): BackwardRows => rowsOf({ batch, head, keyHead, token, span: none })
    const keyRows: Pick<Rows, 'b' | 'columns' | 'inside' | 'key' | 'value'> = forHead(
      shared === 1 ? keyHead : b.let('anyHead', keyHead.mul(shared)),
    )
    const first = b.let('firstKey', asExpr(times(batch.mul(keyHeads).add(keyHead), keys)).add(top))
    const to =
      (write: Write | undefined): Write =>
      (row, column, numbers) =>
        when(top.add(row), write === undefined ? 0 : keys, () => write?.(b.let('key', first.add(row)), column, numbers))
    keyGradients(
      block,
      { ...keyRows, count: asExpr(keys) },
      (attend) =>
        b.for('shared', u32(0), u32(shared), 1, (one) =>
          elements.inside(() => attend({ ...forHead(b.let('head', keyHead.mul(shared).add(one))), seers })),
        ),
      { key: to(writeKey), value: to(writeValue) },
      top,
    )
  })
}

/** The queries that see some of so many keys. */
function seersOf(node: Node, { b, symbols }: KernelParts, top: Expr, height: number): Span {
  const [q, k] = node.inputs as Inputs
  const { causal, window, length } = node.attrs as AttentionAttrs
  const tokens = asExpr(symbols.dim(shapeOf(q)[2]!))
  if (causal !== true) return { from: u32(0), to: tokens }
  // Query t stands at key t + length − tokens, and sees that and the ones before.
  const ahead = b.let('ahead', tokens.bits('i32').sub(asExpr(lengthOf(symbols, length ?? shapeOf(k)[2]!)).bits('i32')))
  const from = b.let('from', top.bits('i32').add(ahead).max(0).bits('u32').min(tokens))
  if (window === undefined) return { from, to: tokens }
  const end = top
    .bits('i32')
    .add(ahead)
    .add(height - 1 + window)
  return { from, to: b.let('to', end.max(0).bits('u32').min(tokens)) }
}
