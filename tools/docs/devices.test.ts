import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { devicesPage } from './devices.js'

it('docs/devices.md is what was measured', () => {
  expect(readFileSync(new URL('../../docs/devices.md', import.meta.url), 'utf8')).toBe(devicesPage())
})
