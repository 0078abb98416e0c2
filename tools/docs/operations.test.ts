import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { operationsPage } from './operations.js'

it('docs/operations.md is what the op table says', () => {
  expect(readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')).toBe(operationsPage())
})
