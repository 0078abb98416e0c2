import { expect, test } from 'vitest'
import { constant } from './ir.js'

test('a value is what it computes and its type: kernels of thousands of them stay small', () => {
  const value = constant(1, 'f32').add(2)
  expect(Object.getOwnPropertyNames(value)).toEqual(['node', 'type'])
})
