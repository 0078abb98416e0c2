/**
 * A PTX kernel as a JavaScript function that one thread runs. Registers are local variables, branches loops and blocks; what waits for other threads yields, and a kernel
 * without it is a plain function.
 */
import type { PtxEntry } from './ptx-text.js'
import { arithmetic } from './translate-arithmetic.js'
import { conversions } from './translate-convert.js'
import { memoryInstructions } from './translate-memory.js'
import { warpInstructions } from './translate-warp.js'
import { Translation, type Checks, type InstructionPrinter, type TranslatedKernel } from './translation.js'

const printers: ReadonlyMap<string, InstructionPrinter> = new Map([
  ...Object.entries(arithmetic),
  ...Object.entries(conversions),
  ...Object.entries(memoryInstructions),
  ...Object.entries(warpInstructions),
])

/** @throws PtxError at the first instruction that is not known */
export function translateKernel(entry: PtxEntry, target: number, version: number, checks: Checks): TranslatedKernel {
  return new Translation(entry, target, version, checks, printers).finish()
}
