import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '@tesserae/core'
import { readJson, writeWhole } from './files.js'
import type { Options } from './options.js'
import type { Report, Stage, StageName } from './stage.js'
import { clock, type Terminal } from './terminal.js'

/** What is kept beside a stage's result. */
interface Kept extends Report {
  /** Hash of all that the result depends on. */
  readonly key: string
  /** Hash of the result's own files: what the stages after it depend on. */
  readonly content: string
  readonly seconds: number
}

export interface RoadResult {
  readonly name: StageName
  readonly reused: boolean
  readonly report: Report
}

/**
 * Runs the stages that are asked for, in order, and reuses the result of each whose inputs did not change. A result is made in a folder aside
 * that is renamed when it is whole. Errors: whatever a stage throws; AbortError when the signal is aborted.
 */
export async function runRoad(stages: readonly Stage[], options: Options, ui: Terminal, signal: AbortSignal): Promise<RoadResult[]> {
  const wanted = options.stage === undefined ? stages : withNeeds(stages, options.stage)
  await mkdir(options.out, { recursive: true })
  const contents = new Map<StageName, string>()
  const results: RoadResult[] = []
  if (options.resume && !(await somethingThere(options.out)))
    throw new Error(`--resume needs the results of an interrupted run, and ${options.out} has none; start without --resume`)
  for (const stage of wanted) {
    throwIfAborted(signal, 'The quickstart')
    const number = stages.indexOf(stage) + 1
    ui.heading(`${number}  ${stage.title}`)
    const result = join(options.out, stage.name)
    const key = await keyOf(stage, options, contents)
    const kept = await keptOf(result)
    if (kept?.key === key) {
      for (const line of kept.lines) ui.line(`   ${line}`)
      ui.line(`   reused: nothing it depends on has changed since it took ${clock(kept.seconds)} (${result})`)
      contents.set(stage.name, kept.content)
      results.push({ name: stage.name, reused: true, report: kept })
      continue
    }
    const fresh = await runStage(stage, { key, result }, options, ui, signal)
    ui.line(`   ${clock(fresh.seconds)}; code: ${stage.code}`)
    contents.set(stage.name, fresh.content)
    results.push({ name: stage.name, reused: false, report: fresh })
  }
  return results
}

async function runStage(
  stage: Stage,
  { key, result }: { readonly key: string; readonly result: string },
  options: Options,
  ui: Terminal,
  signal: AbortSignal,
): Promise<Kept> {
  const folder = `${result}.${process.pid}.tmp`
  const partial = `${result}.interrupted`
  const interrupted = await interruptedRun(partial, { key, keepsWork: stage.keepsWork?.(options) ?? false, resume: options.resume })
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const start = performance.now()
  try {
    const report = await stage.run({
      options,
      ui,
      signal,
      folder,
      ...(interrupted ? { interrupted: partial } : {}),
      from: (name) => {
        if (!stage.needs.includes(name)) throw new Error(`stage ${stage.name} reads the result of ${name} without needing it`)
        return join(options.out, name)
      },
      async keep() {
        await writeWhole(join(partial, 'key.json'), JSON.stringify({ key }))
        return partial
      },
    })
    ui.status('')
    ui.endStatus()
    for (const line of report.lines) ui.line(`   ${line}`)
    const kept: Kept = { ...report, key, content: await contentOf(folder), seconds: (performance.now() - start) / 1000 }
    await writeWhole(join(folder, 'stage.json'), JSON.stringify(kept, null, 2))
    await rm(result, { recursive: true, force: true })
    await rename(folder, result)
    await rm(partial, { recursive: true, force: true })
    return kept
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Whether there is something to go on from. What cannot be used is deleted, or, when a person made it, moved out of the way. */
async function interruptedRun(
  partial: string,
  { key, keepsWork, resume }: { readonly key: string; readonly keepsWork: boolean; readonly resume: boolean },
): Promise<boolean> {
  if (!existsSync(partial)) return false
  const { key: found } = await readJson<{ key: string }>(join(partial, 'key.json')).catch(() => ({ key: '' }))
  if (found === key && (resume || keepsWork)) return true
  if (keepsWork) await rename(partial, `${partial}.${found.slice(0, 8)}.${Date.now()}`)
  else await rm(partial, { recursive: true, force: true })
  return false
}

/** A stage and everything that it needs, in the order of `stages`. */
function withNeeds(stages: readonly Stage[], name: StageName): Stage[] {
  const needed = new Set<StageName>()
  const add = (one: StageName): void => {
    if (needed.has(one)) return
    needed.add(one)
    for (const need of stages.find((stage) => stage.name === one)!.needs) add(need)
  }
  add(name)
  return stages.filter((stage) => needed.has(stage.name))
}

async function keyOf(stage: Stage, options: Options, contents: ReadonlyMap<StageName, string>): Promise<string> {
  const upstream = stage.needs.map((name) => [name, contents.get(name)])
  const source = join(import.meta.dirname, 'stages', `${stage.name}.ts`)
  const code = existsSync(source) ? hash(await readFile(source)) : ''
  return hash(JSON.stringify({ stage: stage.name, code, inputs: await stage.inputs(options), upstream }))
}

async function keptOf(result: string): Promise<Kept | undefined> {
  const path = join(result, 'stage.json')
  return existsSync(path) ? await readJson<Kept>(path) : undefined
}

async function contentOf(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).toSorted()
  const parts = await Promise.all(paths.map(async (path) => `${path.slice(folder.length)} ${hash(await readFile(path))}`))
  return hash(parts.join('\n'))
}

const somethingThere = async (out: string): Promise<boolean> =>
  (await readdir(out)).some((name) => name.endsWith('.interrupted') || existsSync(join(out, name, 'stage.json')))

const hash = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
