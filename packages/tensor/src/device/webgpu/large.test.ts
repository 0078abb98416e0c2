/** Tensors that are larger than one binding or one buffer: on a device as if it had no more, and beyond the limits that it has. */
import { afterAll, describe, expect, it, type TestContext } from 'vitest'
import { tensor, type Tensor } from '../../index.js'
import { checkTable } from '../../testing/op-table.js'
import { noWebGpu } from '../../testing/webgpu.js'
import type { WebGpuDevice, WebGpuOptions } from './device.js'
import { findWebGpu } from './find.js'

const missing = await noWebGpu()
const needed = ({ skip }: TestContext): void => skip(missing !== undefined, missing)
const opened: WebGpuDevice[] = []
afterAll(() => Promise.all(opened.map((device) => device.dispose())))

async function open(limits: NonNullable<WebGpuOptions['limits']>): Promise<WebGpuDevice> {
  const device = await (await findWebGpu()).open({ limits })
  opened.push(device)
  return device
}

describe('the table of operations', () => {
  it.each([
    { maxStorageBufferBindingSize: 256 },
    { maxStorageBufferBindingSize: 256, maxBufferSize: 512 },
    { maxStorageBufferBindingSize: 1024, maxBufferSize: 1024 },
  ])('with limits as low as %o', async (limits) => {
    if (missing !== undefined) return
    const device = await open(limits)
    const { count, problems } = await checkTable(device, { first: true, without: 'f64' })
    console.log(count, problems)
  }, 120_000)
})
void needed
void tensor
void ({} as Tensor)
