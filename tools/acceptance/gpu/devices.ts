/**
 * Which rows of the op table are right on which device, as the acceptance rows that go through all of it found: kept in a file beside this one, of which `docs/devices.md` is
 * made by `npx tsx --conditions=@tesserae/source tools/docs/write-devices.ts`, which prints it too.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** By operation: samples that are right, of how many. */
export type Tallies = Readonly<Record<string, readonly [right: number, count: number]>>

export interface DeviceTally {
  /** What ran underneath. */
  readonly description: string
  readonly rows: Tallies
}

/** The devices of the table, in its order. */
export const deviceColumns = ['cpu', 'webgpu, Chromium page', 'webgpu, Chromium worker', 'webgpu, Node', 'cuda, emulated'] as const
export type DeviceColumn = (typeof deviceColumns)[number]

const file = new URL('./devices.json', import.meta.url)

export const readDevices = (): Partial<Record<DeviceColumn, DeviceTally>> =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<DeviceColumn, DeviceTally>>) : {}

export function recordDevice(column: DeviceColumn, tally: DeviceTally): void {
  const all = { ...readDevices(), [column]: tally }
  const lines = deviceColumns.flatMap((name) =>
    all[name] === undefined ? [] : [`  ${JSON.stringify(name)}: ${JSON.stringify(all[name])}`],
  )
  writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`)
}
