import { expect, it } from 'vitest'
import { buildKernel, f32 } from './builder.js'
import { constant, type Expr, type Kernel } from './ir.js'
import { printWgsl } from './print-wgsl.js'

const kernel = (body: (x: Expr, y: Expr) => readonly Expr[]): Kernel =>
  buildKernel({ name: 'divisions' }, (b) => {
    const [x, y] = [b.storage('x', 'f32'), b.storage('y', 'f32')]
    const at = b.globalId(0)
    for (const value of body(b.load(x, at), b.load(y, at))) b.store(x, at, value)
  })

it('divides as it is written where the divisor is known to be of ordinary size', () => {
  const text = printWgsl(kernel((x, y) => [x.quotient(3), x.quotient(2 ** -100), x.div(y), x.quotient(x.like(-1e20))]))
  expect(text).not.toContain('fn quotient')
  expect(text).toContain('(x_0_at_0 / f32(3.0))')
})

it('scales before it divides by what may be near the ends of the range, by one function however often', () => {
  const text = printWgsl(kernel((x, y) => [x.quotient(y), y.quotient(x), x.quotient(3e38), x.quotient(1e-38), x.rem(y)]))
  expect(text.match(/fn quotient1/g)).toHaveLength(1)
  expect(text.match(/fn remainder1/g)).toHaveLength(1)
  expect(text).toContain('quotient1(x_0_at_0, y_0_at_0)')
  expect(text).toContain('quotient1(x_0_at_0, f32(3.0000000')
  expect(text).not.toMatch(/_at_0 [/%]/)
})

it('converts halves to floats, whose range is wider', () => {
  const text = printWgsl(
    buildKernel({ name: 'halves' }, (b) => {
      const [x, v] = [b.storage('x', 'f16'), b.storage('v', 'f16', { lanes: 4 })]
      const at = b.globalId(0)
      const [one, four] = [b.load(x, at), b.load(v, at)]
      b.store(x, at, one.quotient(one))
      b.store(v, at, four.rem(four))
    }),
  )
  expect(text).toContain('f16(quotient1(f32(x_0_at_0), f32(x_0_at_0)))')
  expect(text).toContain('vec4<f16>(remainder4(vec4<f32>(v_0_at_0), vec4<f32>(v_0_at_0)))')
})

it('has functions that no name of a value hides', () => {
  const text = printWgsl(
    buildKernel({ name: 'names' }, (b) => {
      const [x, y] = [b.storage('x', 'f32'), b.storage('y', 'f32')]
      for (let i = 0; i < 5; i++)
        for (const name of ['remainder', 'quotient', 'scale'])
          b.store(x, b.globalId(0), b.let(name, b.load(x, b.globalId(0)).rem(b.load(y, b.globalId(1)))))
    }),
  )
  const names = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map((found) => found[1]!)
  const values = new Set(names(/let (\w+) =/g))
  const functions = names(/fn (\w+)\(/g)
  expect(functions.length).toBeGreaterThan(3)
  for (const name of functions) expect(values).not.toContain(name)
})

it('is for floats', () => {
  expect(() => constant(3, 'i32').quotient(2)).toThrow(/quotient does not take i32/)
  expect(f32(3).quotient(2).type.scalar).toBe('f32')
})
