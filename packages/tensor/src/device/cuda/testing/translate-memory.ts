/** Loads, stores, atomic operations and asynchronous copies. */
import { DEVICE_BASE, WORD_WRITTEN } from './device-memory.js'
import { widthOf, type PtxInstruction, type PtxOperand, type PtxType } from './ptx-text.js'
import { Modifiers, type InstructionPrinter, type Translation } from './translation.js'

type Space = 'global' | 'shared' | 'local'
const memoryTypes = ['b8', 'u8', 's8', 'b16', 'u16', 's16', 'f16', 'b32', 'u32', 's32', 'f32', 'b64', 'u64', 's64'] as const
type MemoryType = (typeof memoryTypes)[number]

/** What tells caches what to keep changes no value. */
const cacheHints = [
  'ca',
  'cg',
  'cs',
  'lu',
  'cv',
  'wb',
  'wt',
  'L1::no_allocate',
  'L1::evict_first',
  'L1::evict_last',
  'L2::128B',
  'L2::256B',
] as const

interface Access {
  readonly space: Space | 'param'
  readonly type: MemoryType
  readonly count: 1 | 2 | 4
}

function accessOf(i: PtxInstruction): Access {
  const m = new Modifiers(i)
  m.take('volatile', 'relaxed', 'acquire', 'release', 'weak')
  m.take('cta', 'gpu', 'sys')
  const space = m.need('global', 'shared', 'param', 'local')
  m.take('nc')
  while (m.take(...cacheHints) !== undefined);
  const vector = m.take('v2', 'v4')
  const type = m.type(...memoryTypes)
  m.done()
  return { space, type, count: vector === undefined ? 1 : vector === 'v2' ? 2 : 4 }
}

/** An address as a number: of 64 bits in global memory, of 32 in the others. */
function addressOf(c: Translation, i: PtxInstruction, operand: PtxOperand, space: Space): string {
  if (operand.kind !== 'address') return c.fail(i, 'expects an address in [ ]')
  const { base, offset } = operand
  const plus = offset === 0 ? '' : offset < 0 ? String(offset) : `+${offset}`
  if (space === 'local') {
    const own = base.kind === 'symbol' ? c.localOffset(base.name) : undefined
    return own === undefined ? `(${c.read(i, base, 'b32')}${plus})` : String(own + offset)
  }
  if (base.kind === 'register' && c.declaredType(i, base).endsWith('64')) return `${c.read(i, base, 'u64')}${plus}`
  if (space === 'global') return c.fail(i, 'global addresses have 64 bits')
  return `(${c.read(i, base, 'b32')}${plus}|0)`
}

/** A view of a memory by the width of what is read, and how a value of a type comes out of it. */
function viewOf(
  type: MemoryType,
  shared: boolean,
): { readonly view: string; readonly shift: 0 | 1 | 2; readonly from: (element: string) => string } {
  const width = widthOf(type)
  const as = (element: string): string =>
    type === 's8' ? `(${element}<<24>>24)` : type === 's16' ? `(${element}<<16>>16)` : type === 'f16' ? `fromHalf(${element})` : element
  if (width === 1) return { view: shared ? 'SH8' : 'U8', shift: 0, from: as }
  if (width === 2) return { view: shared ? 'SH16' : 'U16', shift: 1, from: as }
  if (type === 'f32') return { view: shared ? 'SHF' : 'F32', shift: 2, from: (element) => element }
  return { view: shared ? 'SHI' : 'I32', shift: 2, from: (element) => (type === 'u32' ? `(${element}>>>0)` : element) }
}

/** Brings an index of the view into `i`, after the access was looked at. */
function locate(
  c: Translation,
  i: PtxInstruction,
  { type, count }: Access,
  space: Space,
  address: string,
  way: 'load' | 'store' | 'update',
): string {
  const bytes = widthOf(type) * count
  const shift = widthOf(type) === 8 ? 2 : viewOf(type, false).shift
  if (space === 'shared') {
    const width = widthOf(type)
    if (width < c.granule) c.granule = width as 1 | 2
    const looked = c.checks.races || c.checks.shared
    const call = looked
      ? `SH.${way === 'load' ? 'read' : 'write'}(o,${bytes},t,${i.line})`
      : `if(o<0||o+${bytes}>SH8.length||o&${bytes - 1})SH.bounds(o,${bytes},t,${i.line})`
    return `o=${address};${call};i=o>>${shift};`
  }
  const slow = `M.${way}(o,${bytes},${i.line},t)`
  // What was written before and is aligned is in order, seen at one look; all else is looked at with care.
  const words = bytes / 4
  if (words < 1) {
    return bytes === 2
      ? `o=${address}-${DEVICE_BASE};i=o>>1;if(i*2!==o||ST16[i]!==771)${slow};`
      : `o=${address}-${DEVICE_BASE};i=o|0;if(i!==o||ST8[i]!==3)${slow};`
  }
  const written = Array.from({ length: words }, (_, k) => `ST32[i${k === 0 ? '' : `+${k}`}]!==${WORD_WRITTEN}`).join('||')
  const found = `o=${address}-${DEVICE_BASE};i=o>>2;if(i*4!==o${words > 1 ? `||o&${bytes - 1}` : ''}||${written})${slow};`
  return shift === 2 ? found : `${found}i=o>>${shift};`
}

const partsOf = (c: Translation, i: PtxInstruction, operand: PtxOperand, count: number): readonly PtxOperand[] => {
  if (count === 1) return [operand.kind === 'vector' && operand.parts.length === 1 ? operand.parts[0]! : operand]
  return operand.kind === 'vector' && operand.parts.length === count ? operand.parts : c.fail(i, `expects ${count} operands in { }`)
}

function load(c: Translation, i: PtxInstruction): string {
  const access = accessOf(i)
  const { space, type, count } = access
  const [d, from] = c.operands(i, 2) as [PtxOperand, PtxOperand]
  const results = partsOf(c, i, d, count)
  if (space === 'param') {
    const base = from.kind === 'address' && from.base.kind === 'symbol' ? c.entry.parameters.indexOf(from.base.name) : -1
    if (base < 0 || (type !== 'u64' && type !== 'b64' && type !== 's64') || count !== 1 || (from.kind === 'address' && from.offset !== 0))
      return c.fail(i, 'parameters are read whole, as 64 bits, by their names')
    return c.write(i, d, type, `P[${base}]`)
  }
  const address = addressOf(c, i, from, space)
  if (space === 'local') {
    const parts = results.map((result, k) => c.write(i, result, type, localGet(c, i, type, k)))
    return `o=M.local(${address},${widthOf(type) * count},LB.length,${i.line},t);${parts.join('')}`
  }
  const located = locate(c, i, access, space, address, 'load')
  if (widthOf(type) === 8) {
    const view = space === 'shared' ? 'SHI' : 'I32'
    return (
      located +
      results.map((result, k) => c.write(i, result, type, `M.join(${view}[i+${2 * k}],${view}[i+${2 * k + 1}],${i.line},t)`)).join('')
    )
  }
  const { view, from: as } = viewOf(type, space === 'shared')
  return located + results.map((result, k) => c.write(i, result, type, as(`${view}[i${k === 0 ? '' : `+${k}`}]`))).join('')
}

function store(c: Translation, i: PtxInstruction): string {
  const access = accessOf(i)
  const { space, type, count } = access
  const [to, value] = c.operands(i, 2) as [PtxOperand, PtxOperand]
  const values = partsOf(c, i, value, count)
  if (space === 'param') return c.fail(i, 'parameters are not written')
  const address = addressOf(c, i, to, space)
  if (space === 'local') {
    const parts = values.map((part, k) => localSet(c, i, type, k, part))
    return `o=M.local(${address},${widthOf(type) * count},LB.length,${i.line},t);${parts.join('')}`
  }
  const located = locate(c, i, access, space, address, 'store')
  if (widthOf(type) === 8) {
    const view = space === 'shared' ? 'SHI' : 'I32'
    return (
      located +
      values
        .map(
          (part, k) => `s=${c.unsigned(i, c.read(i, part, type))};${view}[i+${2 * k}]=s;${view}[i+${2 * k + 1}]=Math.floor(s/4294967296);`,
        )
        .join('')
    )
  }
  const { view } = viewOf(type, space === 'shared')
  const bits = type === 'f16' ? 'b16' : type
  return located + values.map((part, k) => `${view}[i${k === 0 ? '' : `+${k}`}]=${c.read(i, part, bits)};`).join('')
}

const localAccess: Readonly<Partial<Record<MemoryType, string>>> = {
  f32: 'Float32',
  u32: 'Uint32',
  s32: 'Int32',
  b32: 'Int32',
  u16: 'Uint16',
  b16: 'Uint16',
  s16: 'Int16',
  u8: 'Uint8',
  b8: 'Uint8',
  s8: 'Int8',
}
const localName = (c: Translation, i: PtxInstruction, type: MemoryType): string =>
  localAccess[type] ?? c.fail(i, 'is not known for local memory')
const localGet = (c: Translation, i: PtxInstruction, type: MemoryType, k: number): string =>
  `LV.get${localName(c, i, type)}(o+${k * widthOf(type)}${widthOf(type) > 1 ? ',true' : ''})`
const localSet = (c: Translation, i: PtxInstruction, type: MemoryType, k: number, value: PtxOperand): string =>
  `LV.set${localName(c, i, type)}(o+${k * widthOf(type)},${c.read(i, value, type)}${widthOf(type) > 1 ? ',true' : ''});`

const updates: Readonly<Record<string, (old: string, value: string, type: PtxType) => string>> = {
  add: (old, value, type) => (type === 'f32' ? `Math.fround(${old}+${value})` : `${old}+${value}`),
  min: (old, value) => `Math.min(${old},${value})`,
  max: (old, value) => `Math.max(${old},${value})`,
  and: (old, value) => `${old}&${value}`,
  or: (old, value) => `${old}|${value}`,
  xor: (old, value) => `${old}^${value}`,
  exch: (_, value) => value,
}

/** `red` and `atom`: threads run one at a time, so reading and writing are one. */
function update(c: Translation, i: PtxInstruction, keeps: boolean): string {
  const m = new Modifiers(i)
  m.take('relaxed', 'acq_rel', 'acquire', 'release')
  m.take('cta', 'gpu', 'sys')
  const space = m.need('global', 'shared')
  const name = m.need('add', 'min', 'max', 'and', 'or', 'xor', ...(keeps ? (['exch', 'cas'] as const) : []))
  const type = m.type('u32', 's32', 'b32', 'f32')
  m.done()
  if (type === 'f32' && name !== 'add' && name !== 'exch') return c.fail(i, `.${name} is of whole numbers`)
  const operands = c.operands(i, (keeps ? 3 : 2) + (name === 'cas' ? 1 : 0))
  const [to, value, other] = (keeps ? operands.slice(1) : operands) as [PtxOperand, PtxOperand, PtxOperand | undefined]
  const { view, from } = viewOf(type, space === 'shared')
  const address = addressOf(c, i, to, space)
  const located =
    space === 'shared'
      ? `o=${address};${c.checks.races || c.checks.shared ? `SH.update(o,4,t,${i.line})` : `SH.bounds(o,4,t,${i.line})`};i=o>>2;`
      : locate(c, i, { space, type, count: 1 }, 'global', address, 'update')
  const read = c.read(i, value, type)
  const next = name === 'cas' ? `(s===${read}?${c.read(i, other!, type)}:s)` : updates[name]!('s', read, type)
  return `${located}s=${from(`${view}[i]`)};${view}[i]=${next};${keeps ? c.write(i, operands[0]!, type, 's') : ''}`
}

export const memoryInstructions: Readonly<Record<string, InstructionPrinter>> = {
  ld: load,
  st: store,
  red: (c, i) => update(c, i, false),
  atom: (c, i) => update(c, i, true),
  membar: () => '',
  fence: () => '',
  prefetch: () => '',
  cp(c, i) {
    c.needs(i, 80, 70)
    const m = new Modifiers(i)
    m.need('async')
    const kind = m.need('ca', 'cg', 'commit_group', 'wait_group', 'wait_all')
    if (kind === 'commit_group' || kind === 'wait_all') {
      m.done()
      c.operands(i, 0)
      return kind === 'commit_group' ? 'M.commitCopies(t);' : 'M.waitCopies(t,0,true);'
    }
    if (kind === 'wait_group') {
      m.done()
      const [n] = c.operands(i, 1)
      return n!.kind === 'immediate' ? `M.waitCopies(t,${n!.value},false);` : c.fail(i, 'waits for a constant number')
    }
    m.need('shared')
    m.need('global')
    m.take('L2::64B', 'L2::128B', 'L2::256B')
    m.done()
    const [to, from, size, given] = i.operands as [PtxOperand, PtxOperand, PtxOperand | undefined, PtxOperand | undefined]
    if (i.operands.length < 3 || i.operands.length > 4 || size?.kind !== 'immediate')
      return c.fail(i, 'takes two addresses and a constant size')
    const sizes = kind === 'cg' ? [16] : [4, 8, 16]
    if (!sizes.includes(size.value)) return c.fail(i, `.${kind} copies ${sizes.join(', ')} bytes`)
    const bytes = given === undefined ? String(size.value) : c.read(i, given, 'u32')
    return `M.beginCopy(t,${addressOf(c, i, to, 'shared')},${addressOf(c, i, from, 'global')},${size.value},${bytes},${i.line});`
  },
}
