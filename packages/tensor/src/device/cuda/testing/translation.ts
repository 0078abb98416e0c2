import { library } from './arithmetic.js'
import type { Collective } from './collectives.js'
import { printFlow } from './ptx-flow.js'
import { isPtxType, PtxError, type PtxEntry, type PtxInstruction, type PtxOperand, type PtxType } from './ptx-text.js'
import { layOutShared, type SharedLayout } from './shared-memory.js'

/** How a register is held: a 32-bit integer, a float, 16 bits, a number of up to 53 bits, a truth value. */
export type Held = 'i' | 'f' | 'h' | 'd' | 'p'

const heldAs = (type: PtxType): Held => {
  if (type === 'pred') return 'p'
  if (type === 'f32') return 'f'
  if (type.endsWith('x2') || type.endsWith('32')) return 'i'
  return type.endsWith('64') ? 'd' : 'h'
}

export interface Checks {
  /** Shared memory that two threads use without a barrier between. */
  readonly races: boolean
  /** Shared memory read that was not written. */
  readonly shared: boolean
  /** Global memory read that was not written. */
  readonly global: boolean
}

export interface TranslatedKernel {
  readonly entry: PtxEntry
  /** JavaScript that makes the thread's function, given the machine. */
  readonly source: string
  /** Whether threads wait for each other. */
  readonly cooperative: boolean
  /** What the threads of a warp do together, by number. */
  readonly collectives: readonly Collective[]
  readonly shared: SharedLayout
  /** Bytes that shared memory is reached by at least. */
  readonly granule: 1 | 2 | 4
  readonly localBytes: number
}

export type InstructionPrinter = (c: Translation, i: PtxInstruction) => string

/** The modifiers of one instruction, taken one by one; what is left over is not known. */
export class Modifiers {
  private readonly rest: string[]

  constructor(private readonly i: PtxInstruction) {
    this.rest = [...i.modifiers]
  }

  /** Whether the next one is one of these; then it is taken. */
  take<T extends string>(...names: readonly T[]): T | undefined {
    const next = this.rest[0] as T | undefined
    return next !== undefined && names.includes(next) ? (this.rest.shift() as T) : undefined
  }

  need<T extends string>(...names: readonly T[]): T {
    const found = this.take(...names)
    if (found === undefined)
      throw new PtxError(this.i.line, `'${this.i.text}': expected .${names.join(' or .')}, and this emulator knows no other`)
    return found
  }

  type<T extends PtxType>(...among: readonly T[]): T {
    const next = this.rest.shift()
    if (next === undefined || !isPtxType(next) || (among.length > 0 && !(among as readonly PtxType[]).includes(next)))
      throw new PtxError(this.i.line, `'${this.i.text}': type ${next ?? ''} is not taken here`)
    return next as T
  }

  done(): void {
    if (this.rest.length > 0) throw new PtxError(this.i.line, `'${this.i.text}': .${this.rest[0]} is not known`)
  }
}

const MOST = Number.MAX_SAFE_INTEGER

export class Translation {
  readonly shared: SharedLayout
  readonly collectives: Collective[] = []
  cooperative = false
  granule: 1 | 2 | 4 = 4
  private readonly names = new Map<string, string>()
  private readonly held = new Map<string, Held>()
  private readonly locals = new Map<string, number>()
  private localBytes = 0

  constructor(
    readonly entry: PtxEntry,
    readonly target: number,
    readonly version: number,
    readonly checks: Checks,
    private readonly printers: ReadonlyMap<string, InstructionPrinter>,
  ) {
    this.shared = layOutShared(entry.variables)
    for (const { name, space, bytes, align } of entry.variables) {
      if (space !== 'local') continue
      const offset = Math.ceil(this.localBytes / align) * align
      this.locals.set(name, offset)
      this.localBytes = offset + bytes
    }
  }

  finish(): TranslatedKernel {
    let back = 0
    const body = printFlow(this.entry, {
      instruction: (i) => this.instruction(i),
      guard: (i) => this.guard(i),
      back: (line) => {
        back++
        return `if(++turns>M.maxTurns)M.fail('endless',${line},t,'a loop went on for '+M.maxTurns+' turns')`
      },
    })
    const registers = [...this.names].map(([name, local]) => `${local}=${this.held.get(name) === 'p' ? 'false' : '0'}`)
    const declared = ['o=0', 'i=0', 's=0', ...(back > 0 ? ['turns=0'] : []), ...registers].join(',')
    const local = this.localBytes > 0 ? `const LB=new Uint8Array(${Math.ceil(this.localBytes / 8) * 8}),LV=new DataView(LB.buffer);` : ''
    const source = `"use strict";
const {U8,U16,I32,F32,ST8,ST16,ST32,SH8,SH16,SHI,SHF,SH,P,A,nx,ny,nz,gx,gy,gz}=M;
const {${Object.keys(library).join(',')}}=M.library;
return function${this.cooperative ? '*' : ''}(t,tx,ty,tz,bx,by,bz,W){
const l=t&31;let ${declared};${local}
${body}
}`
    return {
      entry: this.entry,
      source,
      cooperative: this.cooperative,
      collectives: this.collectives,
      shared: this.shared,
      granule: this.granule,
      localBytes: this.localBytes,
    }
  }

  fail(i: PtxInstruction, why: string): never {
    throw new PtxError(i.line, `'${i.text}': ${why}`)
  }

  /** Refuses what a target or version lacks. */
  needs(i: PtxInstruction, target: number, version = 0): void {
    if (this.target < target) this.fail(i, `needs .target sm_${target} or higher, and the text says sm_${this.target}`)
    if (this.version < version) this.fail(i, `needs .version ${version / 10} or higher, and the text says ${this.version / 10}`)
  }

  operands(i: PtxInstruction, count: number): readonly PtxOperand[] {
    if (i.operands.length !== count) this.fail(i, `has ${i.operands.length} operands, and takes ${count}`)
    return i.operands
  }

  /** An operand as an expression of the value that a type makes of it. Halves are numbers, `b16` their bits. */
  read(i: PtxInstruction, operand: PtxOperand, type: PtxType): string {
    if (operand.kind === 'immediate') return this.immediate(i, operand.value, operand.float, type)
    if (operand.kind === 'symbol') return this.symbol(i, operand.name)
    if (operand.kind !== 'register') return this.fail(i, 'takes no such operand')
    const held = this.heldOf(operand.name)
    const name = this.nameOf(operand.name)
    const wanted = heldAs(type)
    if (wanted === 'p' || wanted === 'd') {
      if (held !== wanted) this.fail(i, `${operand.name} is no ${type}`)
      return name
    }
    if (wanted === 'f') {
      if (held === 'f') return name
      return held === 'i' ? `floatOf(${name})` : this.fail(i, `${operand.name} is no f32`)
    }
    if (wanted === 'i') {
      const bits = held === 'i' ? name : held === 'f' ? `bitsOf(${name})` : this.fail(i, `${operand.name} has not 32 bits`)
      return type === 'u32' ? `(${bits}>>>0)` : bits
    }
    if (held !== 'h' && !(held === 'i' && (type.endsWith('8') || type.endsWith('16')))) this.fail(i, `${operand.name} is no ${type}`)
    switch (type) {
      case 'f16':
        return `fromHalf(${name}${held === 'h' ? '' : '&65535'})`
      case 'bf16':
        return `fromBfloat(${name})`
      case 's16':
        return `(${name}<<16>>16)`
      case 's8':
        return `(${name}<<24>>24)`
      case 'u8':
      case 'b8':
        return `(${name}&255)`
      default:
        return held === 'h' ? name : `(${name}&65535)`
    }
  }

  /** A statement that sets a register to a value of a type. 8 and 16 bits may go to wider registers, by their sign. */
  write(i: PtxInstruction, operand: PtxOperand, type: PtxType, value: string): string {
    if (operand.kind === 'symbol' && operand.name === '_') return `${value};`
    if (operand.kind !== 'register') return this.fail(i, 'the result is no register')
    const held = this.heldOf(operand.name)
    const name = this.nameOf(operand.name)
    const given = heldAs(type)
    if (given === held) {
      if (given === 'i') return `${name}=${value}|0;`
      if (given === 'h')
        return `${name}=${type === 'f16' ? `toHalf(${value})` : type === 'bf16' ? `toBfloat(${value})` : `(${value})&65535`};`
      return `${name}=${value};`
    }
    if (given === 'f' && held === 'i') return `${name}=bitsOf(${value});`
    if (given === 'i' && held === 'f') return `${name}=floatOf(${value});`
    if (given === 'h' && held === 'i') {
      if (type === 'f16') return `${name}=toHalf(${value});`
      return `${name}=${type === 's16' ? `(${value})<<16>>16` : type === 's8' ? `(${value})<<24>>24` : value};`
    }
    return this.fail(i, `${operand.name} takes no ${type}`)
  }

  /** The type in which a register was declared. */
  declaredType(i: PtxInstruction, operand: PtxOperand): PtxType {
    if (operand.kind !== 'register') return this.fail(i, 'expects a register')
    return this.entry.registers.get(operand.name)!
  }

  /** A number that has to fit 53 bits. */
  wide(i: PtxInstruction, value: string): string {
    return `(s=${value},s<=${MOST}&&s>=-${MOST}?s:M.wide(s,${i.line},t))`
  }

  /** A 64-bit operand that an unsigned operation takes. */
  unsigned(i: PtxInstruction, value: string): string {
    return `M.unsigned(${value},${i.line},t)`
  }

  localOffset(name: string): number | undefined {
    return this.locals.get(name)
  }

  private instruction(i: PtxInstruction): string {
    const printer = this.printers.get(i.opcode)
    if (printer === undefined) throw new PtxError(i.line, `'${i.text}': ${i.opcode} is not known to this emulator`)
    const text = printer(this, i)
    return i.guard === undefined ? text : `if(${this.guard(i)}){${text}}`
  }

  private guard(i: PtxInstruction): string {
    const { register, negated } = i.guard!
    return `${negated ? '!' : ''}${this.nameOf(register)}`
  }

  private immediate(i: PtxInstruction, value: number, float: boolean, type: PtxType): string {
    switch (heldAs(type)) {
      case 'p':
        return value === 0 ? 'false' : 'true'
      case 'f':
        return float ? printNumber(value) : this.fail(i, 'a float is written 0f and its bits')
      case 'i': {
        if (float) return `bitsOf(${printNumber(value)})`
        if (value < -0x80000000 || value > 0xffffffff) this.fail(i, `${value} has more than 32 bits`)
        return type === 'u32' ? String(value >>> 0) : `${value < 0 ? `(${value | 0})` : value | 0}`
      }
      case 'd':
        return value < 0 ? `(${value})` : String(value)
      default: {
        if (type === 'f16' || type === 'bf16') return float ? printNumber(value) : this.fail(i, 'a half is no whole number')
        return String(type === 's16' ? (value << 16) >> 16 : type.endsWith('8') ? value & 255 : value & 65535)
      }
    }
  }

  private symbol(i: PtxInstruction, name: string): string {
    const special = specialRegisters[name]
    if (special !== undefined) return special
    const offset = this.shared.offsets.get(name)
    if (offset !== undefined) return String(offset)
    return this.fail(i, `${name} is neither a register nor a variable`)
  }

  private heldOf(register: string): Held {
    let held = this.held.get(register)
    if (held === undefined) this.held.set(register, (held = heldAs(this.entry.registers.get(register)!)))
    return held
  }

  private nameOf(register: string): string {
    let name = this.names.get(register)
    if (name === undefined) this.names.set(register, (name = `${this.heldOf(register)}${this.names.size}_`))
    return name
  }
}

export function printNumber(value: number): string {
  if (Object.is(value, -0)) return '(-0)'
  return value < 0 ? `(${value})` : String(value)
}

const specialRegisters: Readonly<Record<string, string>> = {
  '%tid.x': 'tx',
  '%tid.y': 'ty',
  '%tid.z': 'tz',
  '%ntid.x': 'nx',
  '%ntid.y': 'ny',
  '%ntid.z': 'nz',
  '%ctaid.x': 'bx',
  '%ctaid.y': 'by',
  '%ctaid.z': 'bz',
  '%nctaid.x': 'gx',
  '%nctaid.y': 'gy',
  '%nctaid.z': 'gz',
  '%laneid': 'l',
  '%warpid': '(t>>5)',
  '%lanemask_lt': '((1<<l)-1)',
  WARP_SZ: '32',
}
