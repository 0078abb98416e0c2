import { TensorError } from '../errors.js'
import { fromHalfBits, toHalfBits } from '../dtype.js'
import { partsOf } from './verify.js'
import { divisionOf } from './wgsl-division.js'
import {
  bindingCount,
  type BinaryOp,
  type Builtin,
  type Expr,
  type Kernel,
  type Scalar,
  type Shared,
  type Stmt,
  type Storage,
  type ValueType,
} from './ir.js'

/** Where a kernel's numbers are bound: behind its arrays. */
export const uniformBinding = (kernel: Kernel): number => bindingCount(kernel.storages)
/** Bytes of the kernel's numbers, 4 each, in the order of `kernel.uniforms`. */
export const uniformBytes = (kernel: Kernel): number => Math.ceil(Math.max(1, kernel.uniforms.length) / 4) * 16

/**
 * A kernel as WGSL with the entry point `main`: arrays at bindings from 0 on, all `read_write` since WebGPU refuses one buffer bound both ways, and behind them a
 * uniform buffer with the kernel's numbers when it has any. An array of several ranges takes as many bindings, which functions choose from by the index. The kernel must
 * have passed `verifyKernel`.
 *
 * Source of the rules followed: W3C, "WebGPU Shading Language", sections on conversion, division and const-expressions.
 */
export function printWgsl(kernel: Kernel): string {
  const used = new Set<Builtin>()
  const scalars = new Set<Scalar>()
  let subgroups = false
  const divisions = new Set<string>()
  const look = (expr: Expr): void => {
    scalars.add(expr.type.scalar)
    divisionOf(expr)?.functions.forEach((text) => divisions.add(text))
    if (expr.node.kind === 'builtin') used.add(expr.node.name)
    if (expr.node.kind === 'subgroup' || (expr.node.kind === 'builtin' && expr.node.name === 'subgroupLane')) subgroups = true
    partsOf(expr).forEach(look)
  }
  const lookAll = (statements: readonly Stmt[]): void => {
    for (const statement of statements) {
      if ('value' in statement) look(statement.value)
      if ('index' in statement) look(statement.index)
      if (statement.kind === 'if') {
        look(statement.condition)
        lookAll(statement.yes)
        lookAll(statement.no)
      } else if (statement.kind === 'for') {
        ;[statement.from, statement.to, statement.step].forEach(look)
        lookAll(statement.body)
      }
    }
  }
  lookAll(kernel.body)
  const half = scalars.has('f16') || [...kernel.storages, ...kernel.shared].some(({ element }) => element.scalar === 'f16')
  const lines: string[] = []
  if (half) lines.push('enable f16;')
  if (subgroups) lines.push('enable subgroups;')
  let binding = 0
  for (const storage of kernel.storages)
    for (let range = 0; range < storage.ranges; range++)
      lines.push(`@group(0) @binding(${binding++}) var<storage, read_write> ${rangeName(storage, range)}: array<${elementType(storage)}>;`)
  if (kernel.uniforms.length > 0) {
    lines.push('struct Numbers {', ...kernel.uniforms.map(({ name, scalar }) => `  ${name}: ${scalar},`), '}')
    lines.push(`@group(0) @binding(${uniformBinding(kernel)}) var<uniform> numbers: Numbers;`)
  }
  for (const { name, element, length } of kernel.shared) lines.push(`var<workgroup> ${name}: array<${typeName(element)}, ${length}>;`)
  for (const storage of kernel.storages) if (storage.ranges > 1) lines.push(...printRanges(storage))
  lines.push(...divisions)
  lines.push(`@compute @workgroup_size(${kernel.workgroup.join(', ')})`)
  lines.push(`fn main(${[...used].map((name) => builtins[name]).join(', ')}) {`)
  const special = new Set<number>()
  const body = printBlock(kernel.body, '  ', special)
  // What a constant may not be, a variable may: compilers refuse infinities and NaN where they see them.
  for (const bits of special) lines.push(`  var ${specialName(bits)} = ${bits}u;`)
  lines.push(...body, '}')
  return `${lines.join('\n')}\n`
}

const builtins: Record<Builtin, string> = {
  localId: '@builtin(local_invocation_id) localId: vec3<u32>',
  globalId: '@builtin(global_invocation_id) globalId: vec3<u32>',
  workgroupId: '@builtin(workgroup_id) workgroupId: vec3<u32>',
  workgroups: '@builtin(num_workgroups) workgroups: vec3<u32>',
  localIndex: '@builtin(local_invocation_index) localIndex: u32',
  subgroupLane: '@builtin(subgroup_invocation_id) subgroupLane: u32',
}

const typeName = ({ scalar, lanes }: ValueType): string => (lanes === 1 ? scalar : `vec${lanes}<${scalar}>`)
const elementType = ({ element, atomic }: Storage): string => (atomic ? `atomic<${typeName(element)}>` : typeName(element))
const isRanged = (array: Storage | Shared): boolean => array.kind === 'storage' && array.ranges > 1
/** Names of a kernel end in a number, so these are none of them. */
const rangeName = ({ name, ranges }: Storage, range: number): string => (ranges === 1 ? name : `${name}_range${range}x`)

/** Functions that read and write an array of several ranges. */
function printRanges(storage: Storage): string[] {
  const { name, ranges, rangeLength, element, atomic } = storage
  const type = typeName(element)
  const choose = (access: (place: string) => string): string[] =>
    Array.from({ length: ranges }, (_, range) => {
      const index = range === 0 ? 'i' : `i - ${range * rangeLength}u`
      const statement = access(`${rangeName(storage, range)}[${index}]`)
      return range === ranges - 1 ? `  ${statement}` : `  if (i < ${(range + 1) * rangeLength}u) { ${statement} }`
    })
  return [
    `fn ${name}_load(i: u32) -> ${type} {`,
    ...choose((place) => (atomic ? `return atomicLoad(&${place});` : `return ${place};`)),
    '}',
    ...(atomic
      ? [`fn ${name}_add(i: u32, value: ${type}) {`, ...choose((place) => `atomicAdd(&${place}, value); return;`)]
      : [`fn ${name}_store(i: u32, value: ${type}) {`, ...choose((place) => `${place} = value; return;`)]),
    '}',
  ]
}
const specialName = (bits: number): string => `bits_${bits.toString(16)}`

function printBlock(statements: readonly Stmt[], indent: string, special: Set<number>): string[] {
  const print = (expr: Expr): string => printExpr(expr, special)
  return statements.flatMap((statement): string[] => {
    switch (statement.kind) {
      case 'let':
        return [`${indent}let ${statement.variable.name} = ${print(statement.value)};`]
      case 'var':
        return [`${indent}var ${statement.variable.name} = ${print(statement.value)};`]
      case 'assign':
        return [`${indent}${statement.variable.name} = ${print(statement.value)};`]
      case 'store':
        return isRanged(statement.array)
          ? [`${indent}${statement.array.name}_store(u32(${print(statement.index)}), ${print(statement.value)});`]
          : [`${indent}${statement.array.name}[${print(statement.index)}] = ${print(statement.value)};`]
      case 'atomicAdd':
        return isRanged(statement.array)
          ? [`${indent}${statement.array.name}_add(u32(${print(statement.index)}), ${print(statement.value)});`]
          : [`${indent}atomicAdd(&${statement.array.name}[${print(statement.index)}], ${print(statement.value)});`]
      case 'barrier':
        return [`${indent}storageBarrier();`, `${indent}workgroupBarrier();`]
      case 'if': {
        const lines = [`${indent}if (${print(statement.condition)}) {`, ...printBlock(statement.yes, `${indent}  `, special)]
        if (statement.no.length > 0) lines.push(`${indent}} else {`, ...printBlock(statement.no, `${indent}  `, special))
        return [...lines, `${indent}}`]
      }
      case 'for': {
        const { variable, from, to, step, body } = statement
        const end = `${variable.name}_end`
        return [
          `${indent}let ${end} = ${print(to)};`,
          `${indent}for (var ${variable.name} = ${print(from)}; ${variable.name} < ${end}; ${variable.name} += ${print(step)}) {`,
          ...printBlock(body, `${indent}  `, special),
          `${indent}}`,
        ]
      }
      case 'multiplyMatrices':
      case 'copyAsync':
      case 'groupCopies':
      case 'waitCopies':
      case 'storeHalf':
        return notInWgsl(statement.kind)
      default:
        return statement satisfies never
    }
  })
}

/** What only some devices have is refused by `verifyKernel` for all others; WGSL's standard has no words for it. */
function notInWgsl(what: string): never {
  throw new TensorError('KERNEL', `${what} is not in WGSL; verify kernels for the caps of the device before they are printed`)
}

const infix: Partial<Record<BinaryOp, string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  quotient: '/',
  rem: '%',
  and: '&',
  or: '|',
  xor: '^',
  eq: '==',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
}
const functions = { rsqrt: 'inverseSqrt' } as const
const subgroupNames = { add: 'subgroupAdd', max: 'subgroupMax', min: 'subgroupMin' } as const
const axes = ['x', 'y', 'z'] as const
const lanes = ['x', 'y', 'z', 'w'] as const

function printExpr(expr: Expr, special: Set<number>): string {
  const print = (part: Expr): string => printExpr(part, special)
  const { node, type } = expr
  switch (node.kind) {
    case 'const':
      return printConstant(node.value, type.scalar, special)
    case 'variable':
      return node.variable.name
    case 'uniform':
      return `numbers.${node.uniform.name}`
    case 'builtin':
      return node.name === 'localIndex' || node.name === 'subgroupLane' ? node.name : `${node.name}.${axes[node.axis]}`
    case 'unary': {
      const x = print(node.x)
      if (node.op === 'neg') return `(-${x})`
      if (node.op === 'not') return type.scalar === 'bool' ? `(!${x})` : `(~${x})`
      return `${functions[node.op as 'rsqrt'] ?? node.op}(${x})`
    }
    case 'binary': {
      const [a, b] = [print(node.a), print(node.b)]
      const division = divisionOf(expr)
      if (division !== undefined) {
        const wide = (x: string): string => (type.scalar === 'f16' ? `${typeName({ ...type, scalar: 'f32' })}(${x})` : x)
        const value = `${division.name}(${wide(a)}, ${wide(b)})`
        return type.scalar === 'f16' ? `${typeName(type)}(${value})` : value
      }
      if (node.op === 'min' || node.op === 'max') return `${node.op}(${a}, ${b})`
      if (node.op === 'shl' || node.op === 'shr') {
        const count = type.lanes === 1 ? 'u32' : `vec${type.lanes}<u32>`
        return `(${a} ${node.op === 'shl' ? '<<' : '>>'} (${node.b.type.scalar === 'u32' ? b : `bitcast<${count}>(${b})`} & ${type.lanes === 1 ? '31u' : `${count}(31u)`}))`
      }
      if (node.a.type.scalar === 'bool' && node.op === 'xor') return `(${a} != ${b})`
      return `(${a} ${infix[node.op]!} ${b})`
    }
    case 'fma':
      return `fma(${print(node.a)}, ${print(node.b)}, ${print(node.c)})`
    case 'select':
      return `select(${print(node.no)}, ${print(node.yes)}, ${print(node.condition)})`
    case 'convert':
      return `${typeName(type)}(${print(node.x)})`
    case 'bitcast':
      return `bitcast<${typeName(type)}>(${print(node.x)})`
    // Conversions of halves may lose what is subnormal here, and make anything of infinities and NaN.
    case 'half':
      return print(node.plain)
    case 'vector':
      return `${typeName(type)}(${node.parts.map(print).join(', ')})`
    case 'lane':
      return `${print(node.x)}.${lanes[node.lane]}`
    case 'load':
      if (isRanged(node.array)) return `${node.array.name}_load(u32(${print(node.index)}))`
      return node.array.kind === 'storage' && node.array.atomic
        ? `atomicLoad(&${node.array.name}[${print(node.index)}])`
        : `${node.array.name}[${print(node.index)}]`
    case 'commonLoad':
      return `workgroupUniformLoad(&${node.array.name}[${print(node.index)}])`
    case 'halves':
    case 'matrices':
      return notInWgsl(node.kind)
    case 'subgroup':
      return node.op === 'shuffleXor'
        ? `subgroupShuffleXor(${print(node.x)}, ${node.mask}u)`
        : `${subgroupNames[node.op]}(${print(node.x)})`
    default:
      return node satisfies never
  }
}

const floatBits = new Float32Array(1)
const wordBits = new Uint32Array(floatBits.buffer)

function printConstant(value: number | boolean, scalar: Scalar, special: Set<number>): string {
  switch (scalar) {
    case 'bool':
      return String(value)
    case 'u32':
      return `${Number(value)}u`
    case 'i32':
      return value === -0x80000000 ? 'i32(-2147483648)' : `i32(${Number(value)})`
    case 'f32':
    case 'f16': {
      const rounded = scalar === 'f16' ? fromHalfBits(toHalfBits(Number(value))) : Math.fround(Number(value))
      if (!Number.isFinite(rounded)) {
        floatBits[0] = rounded
        const bits = wordBits[0]!
        special.add(bits)
        return scalar === 'f32' ? `bitcast<f32>(${specialName(bits)})` : `f16(bitcast<f32>(${specialName(bits)}))`
      }
      return `${scalar}(${literal(rounded)})`
    }
    default:
      return scalar satisfies never
  }
}

/** A number that reads back as the same float: what prints shortest in double precision. */
const literal = (value: number): string =>
  Object.is(value, -0) ? '-0.0' : Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : `${value}`
