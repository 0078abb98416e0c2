import type { Program } from '../../../compile/program.js'
import type { EmittedModel, emitModel } from '../emit/emit.js'
import type { OrtRuntime } from './runtime.js'

/** A session that serves all segments of one key. */
export interface SharedSession {
  readonly key: string
  readonly model: EmittedModel
  readonly handle: number
  /** Addresses of lists of names; those of symbols stand behind the other inputs'. */
  readonly inputNames: number
  readonly outputNames: number
  /** For each symbol that is an input, which of the program's it is. */
  readonly symbols: readonly number[]
}

interface Entry {
  users: number
  readonly session: Promise<SharedSession>
}

/** Sessions by the keys of their programs, which say nothing of weights: these are inputs. */
export class Sessions {
  private readonly entries = new Map<string, Entry>()
  private readonly texts = new Map<string, number[]>()

  constructor(
    private readonly runtime: OrtRuntime,
    private readonly emit: typeof emitModel,
  ) {}

  async take(program: Program): Promise<SharedSession> {
    let entry = this.entries.get(program.key)
    if (entry === undefined) {
      entry = { users: 0, session: this.create(program) }
      this.entries.set(program.key, entry)
    }
    entry.users++
    try {
      return await entry.session
    } catch (error) {
      this.entries.delete(program.key)
      throw error
    }
  }

  give({ key, handle }: SharedSession): void {
    const entry = this.entries.get(key)
    if (entry === undefined || --entry.users > 0) return
    this.entries.delete(key)
    this.runtime.releaseSession(handle)
    for (const address of this.texts.get(key) ?? []) this.runtime.free(address)
    this.texts.delete(key)
  }

  private async create(program: Program): Promise<SharedSession> {
    const { runtime } = this
    const model = this.emit(program, { initializers: false, target: 'web' })
    const handle = await runtime.createSession(model.bytes, {
      'session.intra_op.allow_spinning': '0',
      ...(program.keepsDuplicates ? { 'optimization.disable_specified_optimizers': 'CommonSubexpressionElimination' } : {}),
    })
    const texts: number[] = []
    const list = (names: readonly string[]): number => {
      const addresses = names.map((name) => runtime.text(name))
      const at = runtime.alloc(4 * names.length)
      runtime.words.set(addresses, at >>> 2)
      texts.push(...addresses, at)
      return at
    }
    const inputNames = list([...model.inputNames.filter((name) => name !== undefined), ...model.symbolInputs.map(({ name }) => name)])
    const outputNames = list(model.outputNames)
    this.texts.set(program.key, texts)
    const symbols = model.symbolInputs.map(({ symbol }) => program.symbols.indexOf(symbol))
    return { key: program.key, model, handle, inputNames, outputNames, symbols }
  }
}
