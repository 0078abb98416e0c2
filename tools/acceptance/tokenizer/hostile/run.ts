import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { cases } from './cases.js'
import type { Outcome } from './outcome.js'

/** V8's heap; what lies outside it is measured. */
const HEAP_MB = 1024
/** A call that takes longer hangs. */
const PATIENCE_MS = 10_000

interface Batch {
  readonly outcomes: Outcome[]
  /** The case that the process did not get past. */
  readonly stuck?: { readonly number: number; readonly end: 'crash' | 'hang'; readonly step: string; readonly said: string }
}

/** Runs these cases in a process of their own, up to its end or to one that ends it. */
function runBatch(numbers: readonly number[]): Promise<Batch> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [...process.execArgv, `--max-old-space-size=${HEAP_MB}`, join(import.meta.dirname, 'child.ts'), ...numbers.map(String)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const outcomes: Outcome[] = []
    let current: number | undefined
    let step = 'load'
    let hangs = false
    let said = ''
    let timer: NodeJS.Timeout | undefined
    const wait = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        hangs = true
        child.kill('SIGKILL')
      }, PATIENCE_MS)
    }
    wait()
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      wait()
      const message = JSON.parse(line) as { begins?: number; step?: string; outcome?: Outcome }
      current = message.begins ?? current
      if (message.begins !== undefined) step = 'load'
      step = message.step ?? step
      if (message.outcome === undefined) return
      outcomes.push(message.outcome)
      current = undefined
    })
    child.on('close', () => {
      clearTimeout(timer)
      if (current === undefined && outcomes.length === numbers.length) return resolve({ outcomes })
      const number = current ?? numbers[outcomes.length]!
      resolve({ outcomes, stuck: { number, end: hangs ? 'hang' : 'crash', step, said } })
    })
  })
}

/** Runs cases in batches; one that ends its process, is slow or grows large runs again alone, and that counts. */
export async function runCases(
  numbers: readonly number[],
  { size = 50, slowMs = 1000, largeMB = 1000, log = (_: string): void => {} } = {},
): Promise<Outcome[]> {
  const outcomes = new Map<number, Outcome>()
  const again = new Set<number>()
  let rest = [...numbers]
  while (rest.length > 0) {
    const batch = await runBatch(rest.slice(0, size))
    for (const outcome of batch.outcomes) {
      outcomes.set(outcome.number, outcome)
      const before = batch.outcomes[batch.outcomes.indexOf(outcome) - 1]?.peakMB ?? 0
      if (outcome.loadMs > slowMs || outcome.useMs > slowMs || (outcome.peakMB > largeMB && outcome.peakMB > before))
        again.add(outcome.number)
    }
    if (batch.stuck !== undefined) again.add(batch.stuck.number)
    const done = new Set([...outcomes.keys(), ...again])
    rest = rest.filter((number) => !done.has(number))
    log(`${outcomes.size + again.size} of ${numbers.length} cases`)
  }
  for (const number of again) {
    const { outcomes: alone, stuck } = await runBatch([number])
    if (stuck !== undefined) {
      const { end, step, said } = stuck
      outcomes.set(number, {
        number,
        name: cases[number]!.name,
        end,
        message: said.slice(-600),
        loadMs: step === 'load' ? PATIENCE_MS : 0,
        useMs: step === 'load' ? 0 : PATIENCE_MS,
        slowest: step,
        jsonMs: 0,
        peakMB: 0,
      })
    } else outcomes.set(number, alone[0]!)
    log(`alone: ${cases[number]!.name}`)
  }
  return numbers.map((number) => outcomes.get(number)!)
}
