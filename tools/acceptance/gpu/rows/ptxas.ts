// Bar 5, the part of the assembler: every kernel of the op table, forward and backward, printed as PTX and taken by NVIDIA's ptxas.
import { createHash } from 'node:crypto'
import type { Kernel } from '../../../../packages/tensor/src/kernel/ir.js'
import { printPtx, type PtxTarget } from '../../../../packages/tensor/src/kernel/print-ptx.js'
import { assemble, findPtxas, joinModules, noPtxas, ptxasVersion } from '../../../../packages/tensor/src/kernel/testing/ptxas.js'
import { visitTableKernels } from '../../../../packages/tensor/src/testing/table-kernels.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const figure = "the op table's kernels, forward and backward, taken by ptxas"
const targets = ['sm_75', 'sm_80', 'sm_90'] as const
/** What a CUDA device lets one kernel reach: parameters take up to 4 KiB. */
const MAX_BINDINGS = 32
/** Entries of one file: the assembler starts once for all of them. */
const AT_ONCE = 64

const source: RowSource = async ({ log }) => {
  const ptxas = findPtxas()
  if (ptxas === undefined) return unavailable(figure, 'all', noPtxas)
  const assemblies = targets.map((target) => new Assembly(ptxas, target, log))
  const samples = await visitTableKernels(MAX_BINDINGS, (kernel) => assemblies.forEach((assembly) => assembly.add(kernel)))
  return assemblies.map((assembly) => assembly.finish(`ptxas ${ptxasVersion(ptxas)}; ${samples} samples`))
}
export default source

/** Gives kernels to the assembler as they come, each text once, and keeps only what came of them. */
class Assembly {
  private readonly seen = new Set<string>()
  private waiting: string[] = []
  private taken = 0
  private registers = 0
  private spilled = 0
  private readonly errors: string[] = []

  constructor(
    private readonly ptxas: string,
    private readonly target: PtxTarget,
    private readonly log: (line: string) => void,
  ) {}

  add(kernel: Kernel): void {
    const text = printPtx(kernel, { target: this.target })
    const digest = createHash('sha256').update(text).digest('base64')
    if (this.seen.has(digest)) return
    this.seen.add(digest)
    if (this.waiting.push(text) === AT_ONCE) this.flush()
  }

  finish(note: string): Row {
    if (this.waiting.length > 0) this.flush()
    const { taken, registers, spilled, errors } = this
    const count = this.seen.size
    return row(
      `${figure} for ${this.target}`,
      `${count} of ${count}`,
      `${taken} of ${count}`,
      count > 0 && taken === count,
      errors[0] ?? `${note}; at most ${registers} registers, ${spilled} kernels spill`,
    )
  }

  private flush(): void {
    const group = this.waiting
    this.waiting = []
    const { errors, entries } = assemble(this.ptxas, joinModules(group), this.target)
    this.errors.push(...errors)
    if (errors.length === 0 && entries.length === group.length) this.taken += group.length
    this.registers = Math.max(this.registers, ...entries.map((entry) => entry.registers))
    this.spilled += entries.filter((entry) => entry.spillStores > 0).length
    errors.forEach((error) => this.log(error))
    this.log(`${this.target}: ${this.seen.size} kernels`)
  }
}
