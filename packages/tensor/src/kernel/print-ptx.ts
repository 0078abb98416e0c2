import { TensorError } from '../errors.js'
import { typeBytes, type Kernel, type Stmt, type Variable } from './ir.js'
import {
  DYNAMIC_SHARED,
  Expressions,
  grouped,
  moveOf,
  NUMBERS,
  sharedLayout,
  STATIC_SHARED,
  vectorOf,
  type Lanes,
} from './ptx/expressions.js'
import { kindOf, PtxWriter, suffixOf, type Operand } from './ptx/writer.js'

/** Architectures that kernels are printed for, from the oldest on; PTX for one runs on all later ones. With the version of PTX that knows them. */
const versions = { sm_75: '7.0', sm_80: '7.0', sm_86: '7.1', sm_89: '7.8', sm_90: '7.8' } as const
export type PtxTarget = keyof typeof versions
export const ptxTargets = Object.keys(versions) as readonly PtxTarget[]

/** The newest architecture that a device of a compute capability runs; undefined below 7.5. */
export function ptxTargetOf(major: number, minor: number): PtxTarget | undefined {
  return ptxTargets.filter((target) => Number(target.slice(3)) <= major * 10 + minor).at(-1)
}

export interface PtxOptions {
  readonly target: PtxTarget
}

/** Bytes of shared memory that the launch has to give: all of a kernel's where they are more than 48 KiB, else none. */
export function dynamicSharedBytes(kernel: Kernel): number {
  const { bytes } = sharedLayout(kernel)
  return bytes > STATIC_SHARED ? bytes : 0
}

/**
 * A kernel as a PTX module with one entry of the kernel's name. Its parameters are addresses: those of its storages in their order, and behind them, where the kernel has
 * uniforms, that of an array of 32-bit words with them in their order. Blocks have as many threads as the kernel's workgroup. The kernel must have passed `verifyKernel`.
 *
 * Sums and products are rounded as they are written, and never joined to a `fma` that the kernel does not say. A float becomes an integer by truncation, clamped to its
 * range, NaN to 0; shifts take their count modulo 32; halves are computed as floats and rounded after each step. Atomic arrays are read past the caches of one block.
 *
 * Source of the rules followed: NVIDIA, "Parallel Thread Execution ISA".
 *
 * @throws TensorError `KERNEL` when the kernel's name is none in PTX, or the target is unknown
 */
export function printPtx(kernel: Kernel, { target }: PtxOptions): string {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(kernel.name))
    throw new TensorError('KERNEL', `'${kernel.name}' is no name of a kernel in PTX; expected letters, digits and _`)
  if (!Object.hasOwn(versions, target))
    throw new TensorError('KERNEL', `PTX is not printed for ${String(target)}; expected one of ${ptxTargets.join(', ')}`)
  const parameters = [...kernel.storages.map(({ name }) => name), ...(kernel.uniforms.length > 0 ? [NUMBERS] : [])]
  const dynamic = dynamicSharedBytes(kernel) > 0
  return [
    `.version ${versions[target]}`,
    `.target ${target}`,
    '.address_size 64',
    ...(dynamic ? [`.extern .shared .align 16 .b8 ${DYNAMIC_SHARED}[];`] : []),
    `.visible .entry ${kernel.name}(${parameters.map((name) => `.param .u64 ${name}`).join(', ')})`,
    `.reqntid ${kernel.workgroup.join(', ')}`,
    '{',
    ...(dynamic
      ? []
      : kernel.shared.map(({ name, element, length }) => `  .shared .align 16 .b8 ${name}[${typeBytes(element) * length}];`)),
    ...new Printer(kernel, target).print(),
    '}',
    '',
  ].join('\n')
}

class Printer {
  private readonly w = new PtxWriter()
  private readonly expressions: Expressions
  /** Registers of variables that change. */
  private readonly changing = new Set<Operand>()

  constructor(
    private readonly kernel: Kernel,
    private readonly target: PtxTarget,
  ) {
    this.expressions = new Expressions(this.w, kernel, target !== 'sm_75')
  }

  print(): string[] {
    this.block(this.kernel.body)
    this.w.emit('ret')
    return this.w.finish()
  }

  private block(statements: readonly Stmt[]): void {
    for (const statement of statements) this.statement(statement)
  }

  private statement(statement: Stmt): void {
    const { w, expressions } = this
    switch (statement.kind) {
      case 'let':
        expressions.variables.set(statement.variable, this.lasting(statement.variable, expressions.root(statement.value)))
        break
      case 'var': {
        const registers = this.copy(statement.variable, expressions.root(statement.value))
        registers.forEach((register) => this.changing.add(register))
        expressions.variables.set(statement.variable, registers)
        break
      }
      case 'assign':
        this.assign(statement.variable, expressions.root(statement.value))
        break
      case 'store': {
        const { array, index, value } = statement
        const { scalar, lanes } = array.element
        const values = expressions.root(value)
        const address = expressions.address(array, index)
        const stored = scalar === 'f16' ? values.map((lane) => expressions.half(lane)) : values
        w.emit(
          `st.${array.kind === 'shared' ? 'shared' : 'global'}${vectorOf(lanes)}.${scalar === 'f16' ? 'b16' : suffixOf(scalar)}`,
          address,
          grouped(stored),
        )
        break
      }
      case 'atomicAdd': {
        const value = expressions.root(statement.value)[0]!
        // One type of addition does for both: integers wrap.
        w.emit('red.global.add.u32', expressions.address(statement.array, statement.index), value)
        break
      }
      case 'if': {
        const otherwise = w.newLabel()
        w.emit(`@!${expressions.root(statement.condition)[0]!} bra`, otherwise)
        this.block(statement.yes)
        if (statement.no.length > 0) {
          const end = w.newLabel()
          w.emit('bra', end)
          w.place(otherwise)
          this.block(statement.no)
          w.place(end)
        } else w.place(otherwise)
        break
      }
      case 'for':
        this.loop(statement)
        break
      case 'barrier':
        w.emit('bar.sync', '0')
        break
      case 'multiplyMatrices':
        this.multiplyMatrices(statement)
        break
      case 'copyAsync': {
        const { to, at, from, index, present } = statement
        const bytes = w.op('r', 'selp.b32', '16', '0', expressions.root(present)[0]!)
        w.emit('cp.async.cg.shared.global', expressions.address(to, at), expressions.address(from, index), '16', bytes)
        break
      }
      case 'groupCopies':
        w.emit('cp.async.commit_group')
        break
      case 'waitCopies':
        w.emit('cp.async.wait_group', String(statement.left))
        break
      case 'storeHalf': {
        const { array, index, value } = statement
        const half = w.op('h', 'cvt.u16.u32', expressions.asRegister(expressions.root(value)[0]!, 'r'))
        w.emit('st.global.b16', expressions.address(array, index, 2), half)
        break
      }
      default:
        statement satisfies never
    }
  }

  /** Sums stay in the registers of their variable. Turing multiplies half as many steps at a time. */
  private multiplyMatrices({ sum, a, b, of }: Extract<Stmt, { readonly kind: 'multiplyMatrices' }>): void {
    const { w, expressions } = this
    const registers = (values: Lanes): Operand => `{${values.map((value) => expressions.asRegister(value, 'r')).join(', ')}}`
    const own = grouped(expressions.variables.get(sum)!)
    const [left, right] = [expressions.root(a), expressions.root(b)]
    const product = (depth: 8 | 16, ...operands: Lanes[]): void =>
      w.emit(`mma.sync.aligned.m16n8k${depth}.row.col.f32.${of}.${of}.f32`, own, ...operands.map(registers), own)
    if (this.target !== 'sm_75') return product(16, left, right)
    product(8, left.slice(0, 2), right.slice(0, 1))
    product(8, left.slice(2), right.slice(1))
  }

  private loop({ variable, from, to, step, body }: Extract<Stmt, { readonly kind: 'for' }>): void {
    const { w, expressions } = this
    const suffix = suffixOf(variable.type.scalar)
    const end = this.lasting(variable, expressions.root(to))[0]!
    const counter = this.copy(variable, expressions.root(from))[0]!
    this.changing.add(counter)
    expressions.variables.set(variable, [counter])
    const [top, out] = [w.newLabel(), w.newLabel()]
    w.place(top)
    w.emit(`@!${w.op('p', `setp.lt.${suffix}`, counter, end)} bra`, out)
    this.block(body)
    w.emit(`add.${suffix}`, counter, counter, expressions.root(step)[0]!)
    w.emit('bra', top)
    w.place(out)
  }

  /** A value as it is now: registers that will change are copied. */
  private lasting(variable: Variable, value: Lanes): Lanes {
    return value.map((lane) => (this.changing.has(lane) ? this.copy(variable, [lane])[0]! : lane))
  }

  private copy({ type }: Variable, value: Lanes): Lanes {
    return value.map((lane) => this.w.op(kindOf(type.scalar), moveOf(type), lane))
  }

  private assign(variable: Variable, value: Lanes): void {
    const own = this.expressions.variables.get(variable)!
    // A vector put together from its own lanes is read as a whole before it is written.
    const mixed = value.some((lane, i) => own.some((register, k) => register === lane && k !== i))
    const from = mixed ? this.copy(variable, value) : value
    own.forEach((register, i) => {
      if (register !== from[i]) this.w.emit(moveOf(variable.type), register, from[i]!)
    })
  }
}
