import { expect, it } from 'vitest'
import { constrainedCases } from '../__fixtures__/distributions.js'

// The row `vectors` of the acceptance bars draws 100,000 texts.
it.each(constrainedCases)('leaves the distribution as it is but for what is not allowed: $name', async ({ fit }) => {
  expect((await fit(1, 1500)).p).toBeGreaterThan(0.001)
})
