import { fromHalfBits, toHalfBits } from '../../dtype.js'
import type { Scalar } from '../ir.js'

/** Kinds of registers: 32-bit integers, floats, predicates, addresses of 64 bits, and halves on their way from and to memory. */
export type RegisterKind = 'r' | 'f' | 'p' | 'rd' | 'h'

const declared: Readonly<Record<RegisterKind, string>> = { r: 'b32', f: 'f32', p: 'pred', rd: 'b64', h: 'b16' }

/** A register, or a constant as PTX writes it. */
export type Operand = string

/** Collects the instructions of one kernel, and counts its registers. PTX has as many as one likes: the driver's compiler assigns the real ones. */
export class PtxWriter {
  private readonly counts: Record<RegisterKind, number> = { r: 0, f: 0, p: 0, rd: 0, h: 0 }
  private readonly start: string[] = []
  private readonly body: string[] = []
  private lines = this.body
  private labels = 0
  private readonly known = new Map<string, Operand>()

  register(kind: RegisterKind): Operand {
    return `%${kind}${++this.counts[kind]}`
  }

  emit(instruction: string, ...operands: readonly Operand[]): void {
    this.lines.push(`  ${instruction}${operands.length > 0 ? ` ${operands.join(', ')}` : ''};`)
  }

  /** An instruction whose result gets a register of its own. */
  op(kind: RegisterKind, instruction: string, ...operands: readonly Operand[]): Operand {
    const result = this.register(kind)
    this.emit(instruction, result, ...operands)
    return result
  }

  newLabel(): string {
    return `$L_${++this.labels}`
  }

  place(label: string): void {
    this.lines.push(`${label}:`)
  }

  /** What is worked out once, at the kernel's beginning, and stands for all that follows. */
  once(name: string, make: () => Operand): Operand {
    const found = this.known.get(name)
    if (found !== undefined) return found
    const { lines } = this
    this.lines = this.start
    try {
      const made = make()
      this.known.set(name, made)
      return made
    } finally {
      this.lines = lines
    }
  }

  /** Declarations, beginning and body. */
  finish(): string[] {
    const registers = Object.entries(this.counts).flatMap(([kind, count]) =>
      count === 0 ? [] : [`  .reg .${declared[kind as RegisterKind]} %${kind}<${count + 1}>;`],
    )
    return [...registers, ...this.start, ...this.body]
  }
}

/** Halves are computed in registers of floats, as values that a half can hold. */
export const kindOf = (scalar: Scalar): RegisterKind => (scalar === 'bool' ? 'p' : isFloatScalar(scalar) ? 'f' : 'r')
export const isFloatScalar = (scalar: Scalar): boolean => scalar === 'f32' || scalar === 'f16'
/** The type that arithmetic of a scalar names. */
export const suffixOf = (scalar: Scalar): string =>
  scalar === 'bool' ? 'pred' : scalar === 'i32' ? 's32' : scalar === 'u32' ? 'u32' : 'f32'

const floatBits = new Float32Array(1)
const wordBits = new Uint32Array(floatBits.buffer)

/** A float by its bits, which alone says every value, NaN and infinities among them. */
export function floatLiteral(value: number): Operand {
  floatBits[0] = value
  return `0f${wordBits[0]!.toString(16).toUpperCase().padStart(8, '0')}`
}

/** A constant; predicates have none, but what `mov.pred` takes. */
export function literal(value: number | boolean, scalar: Scalar): Operand {
  if (scalar === 'bool') return value === true ? '1' : '0'
  if (scalar === 'f16') return floatLiteral(fromHalfBits(toHalfBits(Number(value))))
  return scalar === 'f32' ? floatLiteral(Number(value)) : String(value)
}
