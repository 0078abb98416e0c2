import { planDispatches } from '../compile/dispatches.js'
import { hasKernel } from '../compile/kept.js'
import type { Program } from '../compile/program.js'
import type { Device, DeviceBuffer } from '../device/device.js'
import { NullDevice } from '../device/null/device.js'
import type { Kernel } from '../kernel/ir.js'
import { opTable } from '../ops/table.js'
import { checkSample } from './conformance.js'

export interface TableKernels {
  /** Samples looked at, composites as written and decomposed. */
  readonly samples: number
  /** In the order of the table; the same kernel comes as often as it is asked for. */
  readonly kernels: readonly Kernel[]
}

/**
 * The kernels that a device of kernels is asked for by every sample of the op table, with gradients. Nothing is run: what comes out of them is for the devices' own
 * tests to say.
 *
 * @param maxBindings arrays that one kernel may reach
 */
export async function tableKernels(maxBindings: number): Promise<TableKernels> {
  const kernels: Kernel[] = []
  const device = collector(kernels, maxBindings)
  let samples = 0
  for (const row of opTable.values())
    for (const sample of row.samples)
      for (const decomposeAll of row.kind === 'composite' ? [false, true] : [false]) {
        // The values it reads are zeros, so what it finds wrong says nothing.
        await checkSample(row, sample, device, { decomposeAll })
        samples++
      }
  return { samples, kernels }
}

/** A device that plans kernels, and reads zeros. */
function collector(kernels: Kernel[], maxBindings: number): Device {
  const plans = new NullDevice()
  return Object.assign(Object.create(plans) as Device, {
    supports: hasKernel,
    read: (buffer: DeviceBuffer, bytes = buffer.bytes) => Promise.resolve(new Uint8Array(bytes)),
    compile(program: Program) {
      kernels.push(...planDispatches(program, { maxBindings }).dispatches.map(({ kernel }) => kernel))
      return plans.compile(program)
    },
  })
}
