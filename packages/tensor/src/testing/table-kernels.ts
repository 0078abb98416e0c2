import type { DeviceBuffer } from '../device/device.js'
import { NullDevice } from '../device/null/device.js'
import type { Kernel } from '../kernel/ir.js'
import { opTable } from '../ops/table.js'
import { checkSample } from './conformance.js'

/**
 * The kernels that a device of kernels is asked for by every sample of the op table, composites as written and decomposed, with gradients, in the order of the table; the same
 * kernel comes as often as it is asked for. They are thousands, so each is handed over and none is kept. Nothing is run: what comes out of them is for the devices' own tests to
 * say.
 *
 * @param maxBindings arrays that one kernel may reach
 * @returns how many samples there were
 */
export async function visitTableKernels(maxBindings: number, visit: (kernel: Kernel) => void): Promise<number> {
  const device = new Planner({
    kernels: { maxBindings },
    onDispatches: ({ dispatches }) => {
      for (const { kernel } of dispatches) visit(kernel)
    },
  })
  let samples = 0
  for (const row of opTable.values())
    for (const sample of row.samples)
      for (const decomposeAll of row.kind === 'composite' ? [false, true] : [false]) {
        // The values it reads are zeros, so what it finds wrong says nothing.
        await checkSample(row, sample, device, { decomposeAll })
        samples++
      }
  return samples
}

/** Plans kernels, and reads zeros. */
class Planner extends NullDevice {
  override read(buffer?: DeviceBuffer, bytes = buffer?.bytes ?? 0): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(bytes))
  }
}
