/** `npm run remedies` as a process of its own, and the rows of the table it prints. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { toolEnvironment } from '../../setup/install.mjs'

export interface CommandOutcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Not synchronous: a server that answers the command may live in this process. */
export function runRemedies(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', 'remedies', '--', ...args], {
      cwd: join(import.meta.dirname, '../../..'),
      env: toolEnvironment(environment),
      shell: process.platform === 'win32', // npm is a .cmd there
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, stdout, stderr }))
  })
}

/** A share in per cent with its interval, as printed: `80 % (72–88)`. */
export interface PrintedShare {
  readonly mean: number
  readonly low: number
  readonly high: number
}

export interface PrintedRow {
  readonly name: string
  readonly correct: PrintedShare
  readonly wrong: PrintedShare
  readonly abstained: PrintedShare
  /** Absent for rows that look nothing up. */
  readonly rightlyAbstained?: PrintedShare
  /** How many citations got each verdict. */
  readonly citations: Readonly<Record<string, number>>
  readonly failed: number
}

/** The rows of the printed table: what stands between the line under the head and the next empty line. */
export function rowsPrinted(stdout: string): PrintedRow[] {
  const lines = stdout.split('\n')
  const start = lines.findIndex((line) => line.startsWith('──')) + 1
  if (start === 0) return []
  const end = lines.indexOf('', start)
  return lines.slice(start, end).map((line) => {
    const shares = [...line.matchAll(/(\d+) % \((\d+)–(\d+)\)/g)]
    const [correct, wrong, abstained, rightlyAbstained] = shares.map(([, ...parts]): PrintedShare => {
      const [mean, low, high] = parts.map(Number) as [number, number, number]
      return { mean, low, high }
    })
    if (correct === undefined || wrong === undefined || abstained === undefined)
      throw new Error(`a row of the table has fewer than three shares with intervals: ${line}`)
    const last = shares.at(-1)!
    const rest = line.slice(last.index + last[0].length)
    return {
      name: line.slice(0, shares[0]!.index).trim(),
      correct,
      wrong,
      abstained,
      ...(rightlyAbstained === undefined ? {} : { rightlyAbstained }),
      citations: Object.fromEntries(
        [...rest.matchAll(/(\d+) (verbatim|fuzzy|misattributed|missing)/g)].map(([, count, verdict]) => [verdict!, Number(count)]),
      ),
      failed: Number(/\((\d+) calls failed\)/.exec(rest)?.[1] ?? 0),
    }
  })
}

/** The rows that the command says it left out. */
export const rowsLeftOut = (stdout: string): string[] =>
  /^Left out, for want of a model that follows instructions: (.*)\.$/m.exec(stdout)?.[1]?.split('; ') ?? []
