import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Answer, Job, Ready } from './contest.js'

/** An engine may take so many seconds to start, and for one schema. */
const TO_START = 240

/** An engine in another process. One that gives no answer in time, or dies of a schema, is started anew for the next. */
export class Contestant {
  private child: ChildProcessWithoutNullStreams | undefined
  private lines: AsyncIterator<string> | undefined
  private errors = ''
  /** Of each time that it started. */
  readonly preparations: number[] = []
  runtime = ''

  constructor(
    readonly name: string,
    private readonly command: string,
    private readonly args: readonly string[],
    /** Seconds for one schema, all of its texts included. */
    private readonly limit: number,
  ) {}

  async start(): Promise<void> {
    this.child = spawn(this.command, this.args, { stdio: 'pipe' })
    this.child.stderr.on('data', (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-4000)))
    // Whoever writes to a process that has died learns it from the answer that does not come.
    this.child.stdin.on('error', () => {})
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    const ready = await this.line<Ready>(TO_START)
    if (typeof ready === 'string') throw new Error(`${this.name} does not start: ${ready}`)
    this.runtime = ready.runtime
    this.preparations.push(ready.preparation)
  }

  async ask(job: Job): Promise<Answer> {
    if (this.child === undefined) await this.start()
    this.child!.stdin.write(`${JSON.stringify(job)}\n`)
    const answer = await this.line<Answer>(this.limit)
    return typeof answer === 'string' ? { refused: answer } : answer
  }

  end(): void {
    this.child?.kill('SIGKILL')
    this.child = undefined
  }

  /** An answer, or why there is none. */
  private async line<T>(seconds: number): Promise<T | string> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((done) => (timer = setTimeout(done, seconds * 1000, 'late')))
    const next = await Promise.race([this.lines!.next(), late])
    clearTimeout(timer)
    if (next !== 'late' && next.done !== true) return JSON.parse(next.value) as T
    const why =
      next === 'late' ? `no answer in ${seconds} s` : `the process ended: ${this.errors.trim().split('\n').slice(-2).join(' ').slice(-300)}`
    this.end()
    this.errors = ''
    return why
  }
}

/** An engine of this folder, run by Node. */
export function inNode(name: string, limit: number): Contestant {
  return new Contestant(name, process.execPath, [...process.execArgv, new URL('child.ts', import.meta.url).pathname, name], limit)
}
