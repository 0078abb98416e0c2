/**
 * Branches and labels as loops and blocks, which JavaScript runs fast. Blocks of instructions are put where their dominators are; a block that several others go to is what
 * follows a labelled statement that they break out of; a block that is gone back to begins a loop.
 *
 * Source: N. Ramsey, "Beyond Relooper: recursive translation of unstructured control flow to structured control flow", 2022.
 */
import { PtxError, type PtxEntry, type PtxInstruction } from './ptx-text.js'

interface Block {
  readonly instructions: readonly PtxInstruction[]
  /** The condition of going to `taken`; without it one always goes there, or ends where there is none. */
  readonly branch?: PtxInstruction
  readonly taken?: number
  readonly next?: number
}

export interface FlowPrinter {
  readonly instruction: (instruction: PtxInstruction) => string
  /** The condition that guards an instruction. */
  readonly guard: (instruction: PtxInstruction) => string
  /** Before a loop goes on, from the branch at a line. */
  readonly back: (line: number) => string
}

/** The body of a kernel as JavaScript. */
export function printFlow(entry: PtxEntry, printer: FlowPrinter): string {
  const blocks = blocksOf(entry)
  const order = reversePostorder(blocks)
  const rank = new Map(order.map((block, i) => [block, i]))
  const before = new Map<number, number[]>()
  for (const block of order) for (const to of successors(blocks[block]!)) before.set(to, [...(before.get(to) ?? []), block])
  const dominator = dominatorsOf(order, rank, before)
  const dominates = (a: number, b: number): boolean => {
    for (let block: number | undefined = b; ; block = dominator.get(block)) {
      if (block === a) return true
      if (block === undefined || block === order[0]) return false
    }
  }
  const isBack = (from: number, to: number): boolean => rank.get(to)! <= rank.get(from)!
  const children = new Map<number, number[]>()
  for (const block of order.slice(1)) {
    const parent = dominator.get(block)!
    children.set(parent, [...(children.get(parent) ?? []), block])
  }
  const headers = new Set<number>()
  const merges = new Set<number>()
  for (const [to, froms] of before) {
    if (froms.filter((from) => !isBack(from, to)).length > 1) merges.add(to)
    for (const from of froms) {
      if (!isBack(from, to)) continue
      headers.add(to)
      if (!dominates(to, from)) {
        const line = blocks[from]!.branch?.line ?? entry.line
        throw new PtxError(line, 'a loop with two ways in is not taken')
      }
    }
  }

  const go = (from: number, to: number | undefined): string => {
    if (to === undefined) return 'return;'
    if (isBack(from, to))
      return `${printer.back(blocks[from]!.branch?.line ?? blocks[from]!.instructions.at(-1)?.line ?? entry.line)};continue H${to};`
    return merges.has(to) ? `break L${to};` : tree(to)
  }
  const within = (block: number, after: readonly number[]): string => {
    const [outermost, ...rest] = after
    if (outermost !== undefined) return `L${outermost}:{${within(block, rest)}}\n${tree(outermost)}`
    const { instructions, branch, taken, next } = blocks[block]!
    const body = instructions.map((instruction) => printer.instruction(instruction)).join('\n')
    if (branch === undefined) return `${body}\n${go(block, next)}`
    if (branch.guard === undefined) return `${body}\n${go(block, taken)}`
    return `${body}\nif(${printer.guard(branch)}){${go(block, taken)}}else{${go(block, next)}}`
  }
  const tree = (block: number): string => {
    const after = (children.get(block) ?? []).filter((child) => merges.has(child)).sort((a, b) => rank.get(b)! - rank.get(a)!)
    const body = within(block, after)
    return headers.has(block) ? `H${block}:for(;;){${body}}` : body
  }
  return tree(order[0]!)
}

const isReturn = ({ opcode }: PtxInstruction): boolean => opcode === 'ret' || opcode === 'exit'
const successors = ({ taken, next }: Block): number[] => [taken, next].filter((block) => block !== undefined)

function blocksOf({ instructions, labels }: PtxEntry): Block[] {
  const starts = new Set([0, ...labels.values()])
  instructions.forEach((instruction, i) => {
    if (instruction.opcode === 'bra' || isReturn(instruction)) starts.add(i + 1)
  })
  const sorted = [...starts].filter((start) => start <= instructions.length).sort((a, b) => a - b)
  const blockAt = new Map(sorted.map((start, i) => [start, i]))
  return sorted.map((start, i): Block => {
    const end = sorted[i + 1] ?? instructions.length
    const own = instructions.slice(start, end)
    const last = own.at(-1)
    const next = i + 1 < sorted.length ? i + 1 : undefined
    if (last === undefined) return { instructions: own }
    if (isReturn(last)) {
      if (last.guard === undefined) return { instructions: own.slice(0, -1) }
      // Goes on where the guard does not hold; the way out has no block.
      return { instructions: own.slice(0, -1), branch: last, ...(next === undefined ? {} : { next }) }
    }
    if (last.opcode !== 'bra') return { instructions: own, ...(next === undefined ? {} : { next }) }
    const [label] = last.operands
    const target = label?.kind === 'symbol' ? labels.get(label.name) : undefined
    if (target === undefined) throw new PtxError(last.line, `'${last.text}' goes to no label`)
    return {
      instructions: own.slice(0, -1),
      branch: last,
      taken: blockAt.get(target)!,
      ...(last.guard === undefined || next === undefined ? {} : { next }),
    }
  })
}

function reversePostorder(blocks: readonly Block[]): number[] {
  const seen = new Set<number>([0])
  const post: number[] = []
  // By hand, as kernels may have more blocks than calls may nest.
  const stack: { readonly block: number; readonly to: number[] }[] = [{ block: 0, to: successors(blocks[0]!) }]
  while (stack.length > 0) {
    const top = stack.at(-1)!
    const to = top.to.pop()
    if (to === undefined) {
      post.push(top.block)
      stack.pop()
    } else if (!seen.has(to)) {
      seen.add(to)
      stack.push({ block: to, to: successors(blocks[to]!) })
    }
  }
  return post.reverse()
}

/** Source: K. Cooper, T. Harvey and K. Kennedy, "A simple, fast dominance algorithm", 2001. */
function dominatorsOf(
  order: readonly number[],
  rank: ReadonlyMap<number, number>,
  before: ReadonlyMap<number, readonly number[]>,
): Map<number, number> {
  const dominator = new Map<number, number>([[order[0]!, order[0]!]])
  const common = (first: number, second: number): number => {
    let [a, b] = [first, second]
    while (a !== b) {
      while (rank.get(a)! > rank.get(b)!) a = dominator.get(a)!
      while (rank.get(b)! > rank.get(a)!) b = dominator.get(b)!
    }
    return a
  }
  for (let changed = true; changed;) {
    changed = false
    for (const block of order.slice(1)) {
      const known = (before.get(block) ?? []).filter((from) => dominator.has(from))
      const found = known.reduce((a, b) => common(a, b))
      if (dominator.get(block) !== found) {
        dominator.set(block, found)
        changed = true
      }
    }
  }
  return dominator
}
