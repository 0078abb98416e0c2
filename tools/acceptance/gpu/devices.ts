/**
 * Which rows of the op table are right on which device, as those found who went through all of it: the acceptance rows, and `npm run smoke:cuda -- --all --record` on cards. Kept in
 * a file beside this one, of which `docs/devices.md` is made by `npx tsx --conditions=@tesserae/source tools/docs/write-devices.ts`, which prints it too and takes in what was
 * found on other machines.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** By operation: samples that are right, of how many. */
export type Tallies = Readonly<Record<string, readonly [right: number, count: number]>>

export interface DeviceTally {
  /** What ran underneath. */
  readonly description: string
  readonly rows: Tallies
}

/** What every machine can measure, in the table's order; cards come after them, each by its name. */
const usual = ['cpu', 'webgpu, Chromium page', 'webgpu, Chromium worker', 'webgpu, Node', 'cuda, emulated'] as const
type UsualColumn = (typeof usual)[number]
/** A card's column is headed by its API and its name: `cuda, NVIDIA H200`, `webgpu, NVIDIA H200 (Dawn)`. */
export type CardColumn = `cuda, ${string}` | `webgpu, ${string}`
export type DeviceColumn = UsualColumn | CardColumn

const file = new URL('./devices.json', import.meta.url)

/** By column, in the order of the table. */
export function readDevices(): ReadonlyMap<DeviceColumn, DeviceTally> {
  const found = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<DeviceColumn, DeviceTally>) : {}
  return inOrder(new Map(Object.entries(found) as [DeviceColumn, DeviceTally][]))
}

function inOrder(found: ReadonlyMap<DeviceColumn, DeviceTally>): ReadonlyMap<DeviceColumn, DeviceTally> {
  const cards = [...found.keys()].filter((column) => !(usual as readonly string[]).includes(column)).sort()
  return new Map([...usual, ...cards].flatMap((column) => (found.has(column) ? [[column, found.get(column)!] as const] : [])))
}

export function recordDevice(column: DeviceColumn, { description, rows }: DeviceTally): void {
  const all = inOrder(new Map([...readDevices(), [column, { description, rows }]]))
  const lines = [...all].map(([name, tally]) => `  ${JSON.stringify(name)}: ${JSON.stringify(tally)}`)
  writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`)
}

/** The column of a card, by what device 'cuda' says of itself: its name comes first. */
export const cudaColumn = (description: string): CardColumn => `cuda, ${description.split(',')[0]!}`

/** A tally, and what differed, as `--json FILE` of the commands that run on other machines writes it. */
export function writeTally(path: string, tally: DeviceTally, lines: readonly string[]): void {
  writeFileSync(path, `${JSON.stringify({ ...tally, lines })}\n`)
}

/** Reads such a file. Throws where it is something else. */
export function readTally(path: string): DeviceTally {
  const { description, rows } = JSON.parse(readFileSync(path, 'utf8')) as Partial<DeviceTally>
  const isTally = (entry: unknown): boolean =>
    Array.isArray(entry) && entry.length === 2 && entry.every((count) => Number.isInteger(count) && count >= 0) && entry[0] <= entry[1]
  if (typeof description !== 'string' || typeof rows !== 'object' || rows === null || !Object.values(rows).every(isTally))
    throw new Error(
      `${path} is no tally of a device: expected {"description": text, "rows": {operation: [right, count]}}, as --json writes it`,
    )
  return { description, rows }
}
