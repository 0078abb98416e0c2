import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Answer {
  readonly ready?: boolean
  readonly runtime?: string
  readonly parameters?: number
  readonly milliseconds?: readonly number[]
  /** The beginning of what it computed. */
  readonly sample?: readonly number[]
  readonly peakMiB: number
}

/** A program that works by request: each line with a number on its input is answered by a line with that many steps' times. */
export class Stepper {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>
  private errors = ''
  readonly milliseconds: number[] = []
  peakMiB = 0
  runtime = ''
  parameters = 0
  sample: readonly number[] = []

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: 'pipe' })
    this.child.stderr.on('data', (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-2000)))
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  /** Waits until it has warmed up. */
  async ready(): Promise<void> {
    const answer = await this.answer()
    this.runtime = answer.runtime ?? ''
    this.parameters = answer.parameters ?? 0
    this.sample = answer.sample ?? []
  }

  async steps(count: number): Promise<void> {
    this.child.stdin.write(`${count}\n`)
    const { milliseconds = [], peakMiB } = await this.answer()
    this.milliseconds.push(...milliseconds)
    this.peakMiB = peakMiB
  }

  end(): void {
    this.child.kill()
  }

  private async answer(): Promise<Answer> {
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error(`${this.child.spawnargs.join(' ')} ended: ${this.errors.trim().split('\n').slice(-3).join(' ')}`)
    return JSON.parse(value) as Answer
  }
}
