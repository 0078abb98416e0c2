import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OrtApi } from './c-api.js'

export interface ProfileEntry {
  readonly name: string
  readonly detail: string
  readonly ms: number
}

let serial = 0

/** One run whose times ONNX Runtime writes into a file of the system's temporary folder, read and removed at the end. */
export class ProfileRun {
  readonly prefix = join(tmpdir(), `tesserae-profile-${process.pid}-${++serial}`)

  constructor(private readonly api: OrtApi) {}

  end(session: number, nodeOps: ReadonlyMap<string, string>): ProfileEntry[] {
    const { api } = this
    const allocator = api.make('GetAllocatorWithDefaultOptions')
    const name = api.make('SessionEndProfiling', session, allocator)
    const file = api.koffi.decode.string(name)
    api.check(api.call.AllocatorFree(allocator, name), 'ending a profile')
    try {
      return parseProfile(readFileSync(file, 'utf8'), nodeOps)
    } finally {
      rmSync(file, { force: true })
    }
  }
}

interface TraceEvent {
  readonly cat?: string
  readonly name?: string
  readonly dur?: number
  readonly args?: { readonly op_name?: string }
}

const suffix = '_kernel_time'

/**
 * Times per node from ONNX Runtime's trace. A node that its optimisers fused has a name of their making; it is listed
 * under its operator's name.
 */
export function parseProfile(json: string, nodeOps: ReadonlyMap<string, string>): ProfileEntry[] {
  const entries: ProfileEntry[] = []
  for (const event of JSON.parse(json) as readonly TraceEvent[]) {
    if (event.cat !== 'Node' || event.name === undefined || !event.name.endsWith(suffix)) continue
    const node = event.name.slice(0, -suffix.length)
    const operator = event.args?.op_name ?? 'unknown'
    entries.push({
      name: nodeOps.get(node) ?? operator,
      detail: node === '' ? operator : `${operator} ${node}`,
      ms: (event.dur ?? 0) / 1000,
    })
  }
  return entries
}
