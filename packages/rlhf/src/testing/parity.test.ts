import { existsSync, readFileSync } from 'node:fs'
import { referenceDevice, resolveDevice, type Device } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { parityError, parityGroups } from './parity.js'

const path = new URL('../../../../../shared/parity/rlhf-losses.json', import.meta.url)
const present = existsSync(path)
const missing = 'needs ../shared/parity/rlhf-losses.json, which is not part of the repository'
const fixture = (): Readonly<Record<string, unknown>> => JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, unknown>>

const runs: { readonly dtype: 'f64' | 'f32'; readonly device: string; readonly open: () => Device | Promise<Device> }[] = [
  { dtype: 'f64', device: 'reference', open: () => referenceDevice() },
  { dtype: 'f32', device: 'cpu', open: () => resolveDevice('cpu') },
]

describe.each(runs)('$dtype on $device', ({ dtype, open }) => {
  it.for(parityGroups)('$name agrees with the reference libraries, and not with $mutation', async (group, { skip }) => {
    skip(!present, missing)
    const context = { fixture: fixture(), dtype, device: await open() }
    const tolerance = group.tolerance[dtype]
    const { error, figure } = parityError(await group.compute(context))
    expect(error, figure).toBeLessThanOrEqual(tolerance)
    expect(parityError(await group.compute(context, { mutated: true })).error).toBeGreaterThan(10 * tolerance)
  })
})
