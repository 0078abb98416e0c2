/** Barriers, and what the threads of a warp do together. */
import {
  gather,
  loadMatrices,
  multiplyMatrices,
  OPERANDS,
  reduce,
  RESULTS,
  shuffle,
  vote,
  wordsOfA,
  type Collective,
} from './collectives.js'
import type { PtxInstruction, PtxOperand, PtxType } from './ptx-text.js'
import { Modifiers, type InstructionPrinter, type Translation } from './translation.js'

/** Brings operands, waits, and takes results. */
function together(
  c: Translation,
  i: PtxInstruction,
  run: Collective['run'],
  mask: string | 'all' | 'gather',
  operands: readonly { readonly value: string; readonly at?: number; readonly float?: boolean }[],
  results: string,
): string {
  c.cooperative = true
  c.collectives.push({ line: i.line, text: i.text, gathers: mask === 'gather', run })
  const brought = operands.map(({ value, at, float }, k) => `W.${float === true ? 'xf' : 'x'}[l*${OPERANDS}+${at ?? k}]=${value};`).join('')
  return `${brought}W.masks[l]=${mask === 'all' || mask === 'gather' ? -1 : mask};W.at[l]=${c.collectives.length};yield 2;${results}`
}

const result = (k: number, float = false): string => `W.${float ? 'rf' : 'r'}[l*${RESULTS}+${k}]`

const barrier: InstructionPrinter = (c, i) => {
  const m = new Modifiers(i)
  m.take('cta')
  m.need('sync')
  m.take('aligned')
  m.done()
  const [id, threads] = i.operands
  if (i.operands.length > 1 || id?.kind !== 'immediate' || id.value !== 0)
    return c.fail(i, `is known as bar.sync 0${threads === undefined ? '' : ', of all threads'}`)
  c.cooperative = true
  return `M.waiting[t]=${i.line};yield 1;`
}

const reductions: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => (a + b) | 0,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
}

export const warpInstructions: Readonly<Record<string, InstructionPrinter>> = {
  bar: barrier,
  barrier,
  shfl(c, i) {
    const m = new Modifiers(i)
    m.need('sync')
    const mode = m.need('bfly', 'down', 'up', 'idx')
    m.type('b32')
    m.done()
    const [d, a, b, clamp, mask] = c.operands(i, 5) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    const [value, present] = d.kind === 'pair' ? [d.first, d.second] : [d, undefined]
    return together(
      c,
      i,
      shuffle(mode),
      c.read(i, mask, 'b32'),
      [a, b, clamp].map((operand) => ({ value: c.read(i, operand, 'b32') })),
      c.write(i, value, 'b32', result(0)) + (present === undefined ? '' : c.write(i, present, 'pred', `${result(1)}!==0`)),
    )
  },
  vote(c, i) {
    const m = new Modifiers(i)
    m.need('sync')
    const mode = m.need('all', 'any', 'uni', 'ballot')
    const type = m.type('pred', 'b32')
    m.done()
    if ((type === 'b32') !== (mode === 'ballot')) return c.fail(i, `.${mode} gives ${mode === 'ballot' ? 'b32' : 'pred'}`)
    const [d, a, mask] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    return together(
      c,
      i,
      vote(mode),
      c.read(i, mask, 'b32'),
      [{ value: `${c.read(i, a, 'pred')}?1:0` }],
      c.write(i, d, type, type === 'pred' ? `${result(0)}!==0` : result(0)),
    )
  },
  redux(c, i) {
    c.needs(i, 80, 70)
    const m = new Modifiers(i)
    m.need('sync')
    const name = m.need('add', 'min', 'max', 'and', 'or', 'xor')
    const type = m.type('s32', 'u32', 'b32')
    m.done()
    const [d, a, mask] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
    const order = (x: number): number => (type === 'u32' ? x >>> 0 : x)
    const apply =
      reductions[name] ?? ((x: number, y: number): number => ((name === 'min' ? order(x) < order(y) : order(x) > order(y)) ? x : y))
    return together(c, i, reduce(apply), c.read(i, mask, 'b32'), [{ value: c.read(i, a, 'b32') }], c.write(i, d, type, result(0)))
  },
  /** Which lanes are at one place at one time is for a device to say; here those are that wait there when none can go on otherwise. */
  activemask(c, i) {
    const m = new Modifiers(i)
    m.type('b32')
    m.done()
    const [d] = c.operands(i, 1)
    return together(c, i, gather, 'gather', [], c.write(i, d!, 'b32', result(0)))
  },
  ldmatrix(c, i) {
    c.needs(i, 75, 65)
    const m = new Modifiers(i)
    m.need('sync')
    m.need('aligned')
    m.need('m8n8')
    const count = Number(m.need('x1', 'x2', 'x4').slice(1)) as 1 | 2 | 4
    const transposed = m.take('trans') !== undefined
    m.need('shared')
    m.type('b16')
    m.done()
    const [d, from] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    const results = d.kind === 'vector' && d.parts.length === count ? d.parts : c.fail(i, `gives ${count} words in { }`)
    if (c.granule > 2) c.granule = 2
    return together(
      c,
      i,
      loadMatrices(count, transposed, i.line),
      'all',
      [{ value: sharedAddress(c, i, from) }],
      results.map((part, k) => c.write(i, part, 'b32', result(k))).join(''),
    )
  },
  mma(c, i) {
    const m = new Modifiers(i)
    m.need('sync')
    m.need('aligned')
    const depth = Number(m.need('m16n8k8', 'm16n8k16', 'm16n8k32').slice(6))
    m.need('row')
    m.need('col')
    const sum = m.need('f32', 's32')
    const whole = sum === 's32'
    const type = whole ? m.need('s8', 'u8') : m.need('f16', 'bf16', 'tf32')
    m.need(type)
    m.need(sum)
    m.done()
    const held = wordsOfA(type, depth)
    if (held !== 2 && held !== 4) return c.fail(i, `of ${type} has no such shape`)
    const old = type === 'f16' && depth === 8
    c.needs(i, old ? 75 : 80, old ? 65 : 70)
    const parts = (operand: PtxOperand, count: number): readonly PtxOperand[] =>
      operand.kind === 'vector' && operand.parts.length === count ? operand.parts : c.fail(i, `takes ${count} registers there`)
    const [d, a, b, added] = c.operands(i, 4) as [PtxOperand, PtxOperand, PtxOperand, PtxOperand]
    const words = (operand: PtxOperand, count: number, from: number) =>
      parts(operand, count).map((part, k) => ({ value: c.read(i, part, 'b32'), at: from + k }))
    return together(
      c,
      i,
      multiplyMatrices(depth, type),
      'all',
      [
        ...words(a, held, 0),
        ...words(b, held / 2, 4),
        ...parts(added, 4).map((part, k) => ({ value: c.read(i, part, whole ? 'b32' : 'f32'), at: 8 + k, float: !whole })),
      ],
      parts(d, 4)
        .map((part, k) => c.write(i, part, whole ? 's32' : 'f32', result(k, !whole)))
        .join(''),
    )
  },
}

function sharedAddress(c: Translation, i: PtxInstruction, operand: PtxOperand): string {
  if (operand.kind !== 'address') return c.fail(i, 'expects an address in [ ]')
  const type: PtxType = operand.base.kind === 'register' ? c.declaredType(i, operand.base) : 'b32'
  return `(${c.read(i, operand.base, type.endsWith('64') ? 'u64' : 'b32')}+${operand.offset})`
}
