/** Running sums of long lines: of each span the sum, where a line has several, then every span from what is before it on. */
import type { Node } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr, Storage } from '../kernel/ir.js'
import { asExpr } from '../kernel/lib/indexing.js'
import { computedConstant, decodeBits, encodeBits, joinParts, perWord, wideBits, wordsOf } from '../kernel/lib/pack.js'
import { scanSpan, spanSum, type Scanner } from '../kernel/lib/scan.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCountAt, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, placeInWord, type KernelParts } from './kernel-parts.js'
import { scanArrays, scanCut, scannedLines } from './line-cuts.js'
import type { Memory } from './places.js'

/** A span of a line. */
interface Span {
  /** Its number among all, its line and its number on it. */
  readonly number: Expr
  readonly line: Expr
  readonly which: Expr
  /** Lines. */
  readonly count: Expr
  /** Its elements, counted in the direction of the scan, and where each lies. */
  readonly from: Expr
  readonly to: Expr
  readonly place: (i: Expr) => Expr
}

/** The dispatches of `cumsum` along a line of more than a few elements. */
export function scanDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const lines = scannedLines(node)!
  const cut = scanCut(node, lines, tuning)
  const { threads, span } = cut
  const { sums: partials, wide } = scanArrays(cut, memory.between(node), memory.reach)
  const out = node.outputs[0]!
  const held = wideBits(out.dtype)
  const reverse = node.attrs['reverse'] === true

  /** Runs statements for each span, with its line, its number, and where it begins and ends. */
  const eachSpan = (parts: KernelParts, body: (at: Span) => void): void => {
    const { b, symbols, group, thread, elements } = parts
    const [count, size] = [asExpr(lines.lines(symbols)), asExpr(lines.size(symbols))]
    const of = b.let('spans', size.add(span - 1).div(span))
    const number = threads === 1 ? thread : group
    b.if(number.lt(of.mul(count)), () =>
      elements.inside(() => {
        // Neighbouring threads have neighbouring lines, which lie next to each other where elements of one do not.
        const line = b.let('line', number.rem(count.max(1)))
        const which = b.let('span', number.div(count.max(1)))
        const from = b.let('from', which.mul(span))
        const at = lines.elementsOf(b, symbols, line)
        const place = (i: Expr): Expr => at(reverse ? b.let('back', size.sub(1).sub(i)) : i)
        body({ number, line, which, count, from, to: b.let('to', from.add(span).min(size)), place })
      }),
    )
  }
  const scannerOf = ({ b, elements }: KernelParts, place: (i: Expr) => Expr): Omit<Scanner, 'write' | 'exclusive'> => ({
    b,
    threads,
    dtype: held,
    read: (i) => elements.at(node.inputs[0]!, place(i)),
    inside: (body) => elements.inside(body),
  })
  const groups = (values: SymValues): number => lines.linesAt(values) * Math.ceil(lines.sizeAt(values) / span)
  const workgroup = threads === 1 ? ELEMENT_GROUP : threads
  const dispatches: Dispatch[] = []
  const add = (title: string, count: (values: SymValues) => number, group: number, build: (parts: KernelParts) => void): void => {
    const { kernel, places, symbols } = kernelOf(title, memory, group, build)
    dispatches.push({ kernel, places, symbols, threads: count, title })
  }
  if (partials !== undefined)
    add(
      `${node.op} in parts`,
      (values) => groups(values) * threads,
      workgroup,
      (parts) => {
        const { b, arrays } = parts
        const sums = arrays.at(partials)
        eachSpan(parts, ({ number, from, to, place }) => {
          const sum = b.let('whole', encodeBits(spanSum(scannerOf(parts, place), from, to), held))
          if (threads === 1) b.store(sums, number, sum)
          else b.if(b.localIndex().eq(0), () => b.store(sums, number, sum))
        })
      },
    )
  add(
    node.op,
    (values) => groups(values) * threads,
    workgroup,
    (parts) => {
      const { b, arrays } = parts
      const to = wide === undefined ? arrays.of({ node, index: 0 })! : arrays.at(wide)
      const sums = partials === undefined ? undefined : arrays.at(partials)
      eachSpan(parts, (own) => {
        const before = sums === undefined ? computedConstant(0, held) : sumBefore(scannerOf(parts, own.place), sums, own)
        const write = (i: Expr, sum: Expr): void => b.store(to, own.place(i), encodeBits(sum, held))
        scanSpan({ ...scannerOf(parts, own.place), exclusive: node.attrs['exclusive'] === true, write }, own.from, own.to, before)
      })
    },
  )
  if (wide !== undefined)
    add(
      `${node.op}Pack`,
      (values) => wordsOf(out.dtype, elementCountAt(out.shape, values)),
      ELEMENT_GROUP,
      ({ b, symbols, arrays, thread, when }) => {
        const [to, from] = [arrays.of({ node, index: 0 })!, arrays.at(wide)]
        const count = perWord(out.dtype)
        const total = asExpr(symbols.count(out.shape))
        when(thread, total.add(count - 1).div(count), () => {
          const word = joinParts(count, (part) => {
            const value = decodeBits(b.load(from, placeInWord(b, thread, part, count, total)), held)
            return b.let('bits', encodeBits(b.let('sum', value), out.dtype))
          })
          b.store(to, thread, word)
        })
      },
    )
  return dispatches
}

/** The sum of the spans of a line before one of them. */
function sumBefore(scanner: Omit<Scanner, 'write' | 'exclusive'>, sums: Storage, { line, which, count }: Span): Expr {
  const { b, dtype } = scanner
  const read = (i: Expr): Expr => decodeBits(b.load(sums, i.mul(count).add(line)), dtype)
  return spanSum({ ...scanner, read }, u32(0), which)
}
