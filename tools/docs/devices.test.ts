import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cudaColumn, readTally, writeTally } from '../acceptance/gpu/devices.js'
import { devicesPage } from './devices.js'

it('docs/devices.md is what was measured', () => {
  expect(readFileSync(new URL('../../docs/devices.md', import.meta.url), 'utf8')).toBe(devicesPage())
})

it('has a column for any card, headed by its name', () => {
  const description = 'NVIDIA H200, compute capability 9.0, 139.8 GiB (libcuda.so.1, CUDA 13.0)'
  const column = cudaColumn(description)
  expect(column).toBe('cuda, NVIDIA H200')
  const page = devicesPage(new Map([[column, { description, rows: { add: [14, 14] as const, div: [13, 14] as const } }]]))
  expect(page).toContain(`- **cuda, NVIDIA H200**: ${description}`)
  expect(page).toContain('| operation | cuda, NVIDIA H200 |')
  expect(page).toContain('| `add` | 14 |')
  expect(page).toContain('| `div` | **13 of 14** |')
  expect(page).toContain('| `exp` | not run |')
})

it('takes in what was written on another machine, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-devices-'))
  try {
    const file = join(folder, 'tally.json')
    const tally = { description: 'a card', rows: { add: [13, 14] as const } }
    writeTally(file, tally, ['add: one is wrong'])
    expect(readTally(file)).toEqual(tally)
    for (const wrong of [{ rows: {} }, { description: 'a card', rows: { add: [15, 14] } }, { description: 'a card', rows: { add: 14 } }]) {
      writeFileSync(file, JSON.stringify(wrong))
      expect(() => readTally(file)).toThrow(/tally\.json is no tally of a device: expected/)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
