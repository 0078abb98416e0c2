import { expect, it } from 'vitest'
import { llamaCppCases } from '../__fixtures__/llama-cpp.js'

it.each(llamaCppCases)('gives what llama.cpp publishes: $name', ({ deviation }) => {
  expect(deviation()).toBeLessThan(1e-5)
})
