import type { Expr } from '../ir.js'
import { u32, type KernelBuilder } from '../builder.js'
import type { ElementRule } from './elements.js'

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const
const WEYL = [0x9e3779b9, 0xbb67ae85] as const

/** The high word of a product of two u32, by halves of 16 bits. */
function highProduct(b: KernelBuilder, x: Expr, constant: number): Expr {
  const [low, high] = [constant & 0xffff, constant >>> 16]
  const [xLow, xHigh] = [b.let('low', x.and(0xffff)), b.let('high', x.shr(16))]
  const middle = b.let('middle', xHigh.mul(low).add(xLow.mul(low).shr(16)))
  const other = b.let('other', xLow.mul(high).add(middle.and(0xffff)))
  return b.let('product', xHigh.mul(high).add(middle.shr(16)).add(other.shr(16)))
}

/**
 * Word `i & 3` of Philox4x32-10 at counter [i >> 2, 0, stream, domain].
 *
 * Source: J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
 */
export const philoxWord: ElementRule = ({ b, attrs, input }, index) => {
  let key = [input(0, u32(0)), input(0, u32(1))] as [Expr, Expr]
  let counter = [b.let('block', index.shr(2)), u32(0), input(1, u32(0)), u32(attrs['domain'] as number)] as [Expr, Expr, Expr, Expr]
  for (let round = 0; round < 10; round++) {
    if (round > 0) key = [b.let('key', key[0].add(WEYL[0])), b.let('key', key[1].add(WEYL[1]))]
    const [first, second] = [highProduct(b, counter[0], MULTIPLIERS[0]), highProduct(b, counter[2], MULTIPLIERS[1])]
    counter = [
      b.let('word', second.xor(counter[1]).xor(key[0])),
      b.let('word', counter[2].mul(MULTIPLIERS[1])),
      b.let('word', first.xor(counter[3]).xor(key[1])),
      b.let('word', counter[0].mul(MULTIPLIERS[0])),
    ]
  }
  const which = b.let('which', index.and(3))
  return which.lt(2).select(which.eq(0).select(counter[0], counter[1]), which.eq(2).select(counter[2], counter[3]))
}
