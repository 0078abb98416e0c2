/**
 * Quotients and remainders of floats in WGSL, which promises a quotient only for divisors from 2^-126 to 2^126 in size: devices multiply by a reciprocal, and that of
 * something larger is too small to be normal and becomes 0. Both operands are scaled where the divisor is near either end, which changes no quotient that is a normal number.
 * Divisors that are too small to be normal are looked after as far as a device keeps them apart from 0.
 *
 * Source of the range: W3C, "WebGPU Shading Language", section on floating point accuracy.
 */
import type { Expr, ValueType } from './ir.js'

/** Divisors beyond 2^±SAFE are scaled by 2^∓SHIFT. */
const SAFE = 100
const SHIFT = 24

/** A function that a division calls. */
export interface DivisionFunction {
  readonly name: string
  /** Those that it calls, and its own. */
  readonly functions: readonly string[]
}

/** Names of values end in _ and a number, and must not hide a function. */
const nameOf = (what: string, { lanes }: ValueType): string => `${what}${lanes}`
const isSafe = (value: number | boolean): boolean => Math.abs(Number(value)) >= 2 ** -SAFE && Math.abs(Number(value)) <= 2 ** SAFE

/** The function for a float's quotient or remainder; undefined for what `/` and `%` are right for. Halves are converted to floats for it. */
export function divisionOf({ node, type }: Expr): DivisionFunction | undefined {
  if (node.kind !== 'binary' || (type.scalar !== 'f32' && type.scalar !== 'f16')) return undefined
  if (node.op === 'quotient') {
    const divisors = node.b.node.kind === 'vector' ? node.b.node.parts : [node.b]
    if (divisors.every(({ node: part }) => part.kind === 'const' && isSafe(part.value))) return undefined
    return { name: nameOf('quotient', type), functions: quotient(type) }
  }
  return node.op === 'rem' ? { name: nameOf('remainder', type), functions: [...quotient(type), remainder(type)] } : undefined
}

const float = ({ lanes }: ValueType): string => (lanes === 1 ? 'f32' : `vec${lanes}<f32>`)

function quotient(type: ValueType): string[] {
  const f = float(type)
  return [
    `fn ${nameOf('scale', type)}(b: ${f}) -> ${f} {
  let size = abs(b);
  return select(select(${f}(1.0), ${f}(0x1p-${SHIFT}), size > ${f}(0x1p${SAFE})), ${f}(0x1p${SHIFT}), size < ${f}(0x1p-${SAFE}));
}`,
    `fn ${nameOf('quotient', type)}(a: ${f}, b: ${f}) -> ${f} {
  let scale = ${nameOf('scale', type)}(b);
  return (a * scale) / (b * scale);
}`,
  ]
}

/** `a − b·trunc(a / b)`, with the sign of a. The quotient may have been rounded across a whole number, and then one b is taken or given back. */
function remainder(type: ValueType): string {
  const f = float(type)
  // Scaled, so that the product does not overflow.
  return `fn ${nameOf('remainder', type)}(a: ${f}, b: ${f}) -> ${f} {
  let scale = ${nameOf('scale', type)}(b);
  let size = abs(b * scale);
  let one = select(size, -size, a < ${f}(0.0));
  let rest = fma(-trunc(${nameOf('quotient', type)}(a, b)), b * scale, a * scale);
  let crossed = (rest != ${f}(0.0)) & ((rest < ${f}(0.0)) != (a < ${f}(0.0)));
  return select(select(rest, rest - one, abs(rest) >= size), rest + one, crossed) / scale;
}`
}
