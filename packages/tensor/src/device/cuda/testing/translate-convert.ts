/** Conversions between types, and between kinds of addresses. */
import type { PtxOperand, PtxType } from './ptx-text.js'
import { Modifiers, type InstructionPrinter } from './translation.js'

const wholeRoundings = { rni: 'roundEven', rzi: 'truncate', rmi: 'Math.floor', rpi: 'Math.ceil' } as const
const isReal = (type: PtxType): boolean => type === 'f32' || type === 'f16' || type === 'bf16'
const clamps: Readonly<Partial<Record<PtxType, string>>> = {
  s32: 'toSigned',
  u32: 'toUnsigned',
  s16: 'toSigned16',
  u16: 'toUnsigned16',
  s8: 'toSigned8',
  u8: 'toUnsigned8',
}
/** Where the shared window lies among generic addresses. */
const SHARED_WINDOW = 2 ** 44

export const conversions: Readonly<Record<string, InstructionPrinter>> = {
  cvt(c, i) {
    const m = new Modifiers(i)
    const rounding = m.take('rn', 'rz', 'rni', 'rzi', 'rmi', 'rpi')
    const saturates = m.take('sat') !== undefined
    const to = m.type()
    const from = m.type()
    m.done()
    if (to === 'f16x2' || to === 'bf16x2') {
      c.needs(i, 80, 70)
      if (from !== 'f32' || rounding !== 'rn') return c.fail(i, 'is not known')
      const [d, high, low] = c.operands(i, 3) as [PtxOperand, PtxOperand, PtxOperand]
      const half = to === 'f16x2' ? 'toHalf' : 'toBfloat'
      return c.write(i, d, 'b32', `(${half}(${c.read(i, low, 'f32')})|${half}(${c.read(i, high, 'f32')})<<16)`)
    }
    if (to === 'bf16' || from === 'bf16') c.needs(i, to === 'bf16' ? 80 : 90, to === 'bf16' ? 70 : 78)
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    const x = c.read(i, a, from)
    if (isReal(from)) {
      const whole = rounding === undefined || rounding === 'rn' || rounding === 'rz' ? undefined : wholeRoundings[rounding]
      if (isReal(to)) {
        if (whole === undefined && to !== 'f32' && from === 'f32' && rounding !== 'rn') return c.fail(i, 'is known with .rn')
        if (whole === undefined && rounding !== undefined && to === 'f32') return c.fail(i, 'of a wider type says no rounding')
        const value = whole === undefined ? x : `${whole}(${x})`
        return c.write(i, d, to, saturates ? `minFloat(maxFloat(${value},0),1)` : value)
      }
      const clamp = clamps[to]
      if (whole === undefined || clamp === undefined) return c.fail(i, 'is not known')
      return c.write(i, d, to, `${clamp}(${whole}(${x}))`)
    }
    if (isReal(to)) {
      if (rounding !== 'rn') return c.fail(i, 'says .rn')
      const value = from === 'u64' ? c.unsigned(i, x) : x
      return c.write(i, d, to, to === 'f32' ? `Math.fround(${value})` : value)
    }
    if (rounding !== undefined) return c.fail(i, 'rounds nothing')
    if (saturates) {
      const clamp = clamps[to]
      return clamp === undefined ? c.fail(i, 'is not known') : c.write(i, d, to, `${clamp}(${x})`)
    }
    if (to.endsWith('64')) {
      // A negative number is a large one without its sign, which is refused where that matters.
      return c.write(i, d, to, from === 's32' || from === 'u32' || from.endsWith('64') ? x : `(${x})`)
    }
    if (from.endsWith('64'))
      return c.write(i, d, to, to.endsWith('32') ? `M.lowWord(${x})` : `(M.lowWord(${x})&${to.endsWith('16') ? 65535 : 255})`)
    // Whole numbers are cut to the narrower type; a wider one is filled by the sign of the narrower.
    const cut = { s16: `(${x}<<16>>16)`, u16: `(${x}&65535)`, s8: `(${x}<<24>>24)`, u8: `(${x}&255)` }[to as 's16'] ?? x
    return c.write(i, d, to, cut)
  },
  cvta(c, i) {
    const m = new Modifiers(i)
    const back = m.take('to') !== undefined
    const space = m.need('global', 'shared')
    m.type('u64')
    m.done()
    const [d, a] = c.operands(i, 2) as [PtxOperand, PtxOperand]
    const x = c.read(i, a, 'u64')
    if (space === 'global') return c.write(i, d, 'u64', x)
    return c.write(i, d, 'u64', `${x}${back ? '-' : '+'}${SHARED_WINDOW}`)
  },
}
