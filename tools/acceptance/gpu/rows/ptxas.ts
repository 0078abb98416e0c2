// Bar 5, the part of the assembler: every kernel of the op table, forward and backward, printed as PTX and taken by NVIDIA's ptxas.
import { printPtx } from '../../../../packages/tensor/src/kernel/print-ptx.js'
import { assemble, findPtxas, joinModules, noPtxas, ptxasVersion } from '../../../../packages/tensor/src/kernel/testing/ptxas.js'
import { tableKernels } from '../../../../packages/tensor/src/testing/table-kernels.js'
import { row, unavailable, type RowSource } from '../../lib/row.js'

const figure = "the op table's kernels, forward and backward, taken by ptxas"
const targets = ['sm_75', 'sm_80', 'sm_90'] as const
/** What a CUDA device lets one kernel reach: parameters take up to 4 KiB. */
const MAX_BINDINGS = 32
/** Entries of one file: the assembler starts once for all of them. */
const AT_ONCE = 64

const source: RowSource = async ({ log }) => {
  const ptxas = findPtxas()
  if (ptxas === undefined) return unavailable(figure, 'all', noPtxas)
  const { samples, kernels } = await tableKernels(MAX_BINDINGS)
  return targets.map((target) => {
    const texts = [...new Set(kernels.map((kernel) => printPtx(kernel, { target })))]
    let [taken, registers, spilled] = [0, 0, 0]
    const errors: string[] = []
    for (let from = 0; from < texts.length; from += AT_ONCE) {
      const group = texts.slice(from, from + AT_ONCE)
      const { errors: found, entries } = assemble(ptxas, joinModules(group), target)
      errors.push(...found)
      taken += found.length === 0 && entries.length === group.length ? group.length : 0
      registers = Math.max(registers, ...entries.map((entry) => entry.registers))
      spilled += entries.filter((entry) => entry.spillStores > 0).length
      log(`${target}: ${from + group.length} of ${texts.length}`)
    }
    errors.forEach((error) => log(error))
    return row(
      `${figure} for ${target}`,
      `${texts.length} of ${texts.length}`,
      `${taken} of ${texts.length}`,
      taken === texts.length,
      errors[0] ?? `ptxas ${ptxasVersion(ptxas)}; ${samples} samples; at most ${registers} registers, ${spilled} kernels spill`,
    )
  })
}
export default source
