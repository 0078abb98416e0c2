/** What WebGPU does when memory runs out or the device goes away: each check says what a user sees, and what is left behind. */
import {
  declare,
  explainDevice,
  full,
  jit,
  referenceDevice,
  resolveDevice,
  tensor,
  valueAndGrad,
  type Device,
  type Tensor,
} from '@tesserae/tensor'
import { createModel, initWeights, llama, mapWeights, readLlama2c, weightSpecs, type LoadedModel } from '@tesserae/transformer'
import { checkMoves } from '../../../packages/tensor/src/testing/moves.js'
import { loseDevice, webGpuOf } from '../../../packages/tensor/src/testing/webgpu.js'

export interface Outcome {
  readonly code: string
  readonly message: string
}

const outcome = async (work: () => unknown): Promise<Outcome> => {
  try {
    await work()
    return { code: 'none', message: 'nothing was thrown' }
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown }
    return { code: typeof code === 'string' ? code : 'untyped', message: String(message ?? error) }
  }
}

/** Whether the device computes. */
async function computes(device: Device): Promise<boolean> {
  using x = await tensor([1, 2, 3]).to(device)
  using y = x.mul(x)
  return [...(await y.data())].join() === '1,4,9'
}

const config = llama({ vocabSize: 31, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 512 })

/** A checkpoint of the server, or weights made up here: the same each time. */
async function load(folder: string | undefined): Promise<LoadedModel> {
  if (folder === undefined) return { config, weights: initWeights(config, { seed: 4 }) }
  const response = await fetch(`${folder}/stories260K.bin`)
  return readLlama2c(new Uint8Array(await response.arrayBuffer()))
}

export const failureChecks = {
  /** What opening the device says, and what 'auto' is then. */
  async choice(_: Record<string, never>) {
    const webgpu = await outcome(() => resolveDevice('webgpu'))
    const { device, passed } = await explainDevice()
    return { webgpu, auto: device.name, passed, same: (await resolveDevice('auto')) === device }
  },

  /** Tensors moved between every two devices there are; one line for each problem. */
  async moves(_: Record<string, never>): Promise<string[]> {
    const devices = [referenceDevice(), await resolveDevice('cpu'), await resolveDevice('webgpu')]
    const problems: string[] = []
    for (const from of devices)
      for (const to of devices) problems.push(...(await checkMoves(from, to)).map((problem) => `${from.name} to ${to.name}: ${problem}`))
    return problems
  },

  /** A model one of whose weights is larger than all that a kernel binds, and whose weights nobody has: nothing of it is needed to refuse it. */
  async largeWeight(_: Record<string, never>) {
    const device = await resolveDevice('webgpu', { threads: 6 })
    const { largestTensor } = webGpuOf(device).room()
    const large = llama({ vocabSize: largestTensor / 4096, width: 2048, layers: 1, heads: 1, kvHeads: 1, hidden: 24, context: 16 })
    const weights = mapWeights(weightSpecs(large), ({ shape }) => declare(shape))
    const refused = await outcome(() => createModel({ config: large, weights, device }))
    const { peakBytes } = device.memory()
    await device.dispose()
    return { refused, peakBytes, largestTensor }
  },

  /** Asks for the largest tensor there may be, which software adapters have no memory for, in the ways a program does; and for a larger one. */
  async exhausted(_: Record<string, never>) {
    const device = await resolveDevice('webgpu', { threads: 3 }) // of its own
    const { largestTensor } = webGpuOf(device).room()
    const elements = largestTensor / 4
    using one = await tensor([1]).to(device)
    const before = device.memory().liveBytes
    const lazy = one.add(1).expand(elements).mul(2)
    const realized = await outcome(() => lazy.realize({ device }))
    const afterwards = device.memory().liveBytes - before
    // The handle is as it was: it fails again, and not with something else.
    const repeated = await outcome(() => lazy.data({ device }))
    const grow = jit((x: Tensor) => ({ same: x.add(1), large: x.expand(elements).add(x) }), { device, donate: [0] })
    using given = await tensor([5]).to(device)
    const jitted = await outcome(() => grow(given))
    // What the call would have written over is as it was.
    const donated = [...(await given.data())]
    const buffer = device.alloc(largestTensor)
    const allocated = await outcome(() => device.read(buffer, 4))
    device.free(buffer)
    const tooLarge = await outcome(() => full([elements + 1], 1).realize({ device }))
    // Two bindings more than a kernel has.
    const betweenOperations = await outcome(() =>
      one
        .expand(elements + webGpuOf(device).gpu.limits.maxStorageBufferBindingSize / 2)
        .cumsum(0)
        .sum()
        .item({ device }),
    )
    grow.dispose()
    const result = {
      largestTensor,
      realized,
      afterwards,
      repeated,
      jitted,
      donated,
      allocated,
      tooLarge,
      betweenOperations,
      live: device.memory().liveBytes - before - 4,
      computes: await computes(device),
    }
    await device.dispose()
    return result
  },

  /**
   * Generates until the device is lost: by a call after a few tokens, or whenever the browser's GPU process is ended from outside. Then the model is loaded again and
   * generates the same on a new device.
   */
  async lostWhileGenerating({ by, folder }: { readonly by: 'call' | 'browser'; readonly folder?: string }) {
    const prompt = [1, 2, 3, 4, 5]
    const device = await resolveDevice('webgpu', { threads: 4 })
    const model = await createModel({ ...(await load(folder)), device })
    const expected = (await model.generate(prompt, { maxTokens: 12 })).ids
    const ids: number[] = []
    const failure = await outcome(async () => {
      // Round and round, since nobody knows when the browser's process ends.
      for (let round = 0; round < 1000; round++)
        for await (const { id } of model.stream(prompt, { maxTokens: 12 })) {
          if (round === 0) ids.push(id)
          if (by === 'call' && ids.length === 4) loseDevice(device)
        }
    })
    const next = await outcome(() => model.generate(prompt, { maxTokens: 2 }))
    model.dispose()
    const { liveBytes, liveBuffers } = device.memory()
    const fresh = await reopened(4)
    using again = await createModel({ ...(await load(folder)), device: fresh })
    return {
      expected,
      before: ids.slice(0, 4),
      failure,
      next,
      liveBytes,
      liveBuffers,
      isFresh: fresh !== device,
      again: (await again.generate(prompt, { maxTokens: 12 })).ids,
    }
  },

  /** The same in the middle of training: a step and a read are under way when the device goes. */
  async lostWhileTraining(_: Record<string, never>) {
    const device = await resolveDevice('webgpu', { threads: 5 })
    const x = await tensor([[1, 0], [0, 1], [1, 1]]).to(device) // prettier-ignore
    const y = await tensor([[2], [-3], [-1]]).to(device)
    const loss = (w: Tensor): Tensor => x.matmul(w).sub(y).square().mean()
    const step = jit(
      (w: Tensor) => {
        const { value, grads } = valueAndGrad(loss)(w)
        return { w: w.sub(grads.mul(0.3)), value }
      },
      { device, donate: [0] },
    )
    let w: Tensor = await tensor([[0], [0]]).to(device)
    const values: Tensor[] = []
    const pending: Promise<Outcome>[] = []
    let steps = 0
    let last: Outcome = { code: 'none', message: '' }
    for (let i = 0; i < 6; i++) {
      if (i === 4) {
        pending.push(...[values[3]!.data(), w.data(), device.sync()].map((promise) => outcome(() => promise)))
        loseDevice(device)
      }
      last = await outcome(async () => {
        const result = await step(w)
        w = result.w
        values.push(result.value)
        await result.value.item()
        steps++
      })
    }
    const outcomes = [...(await Promise.all(pending)), last]
    for (const each of [x, y, w, ...values]) each.dispose()
    step.dispose()
    const { liveBytes, liveBuffers } = device.memory()
    return { steps, outcomes, liveBytes, liveBuffers, computes: await computes(await reopened(5)) }
  },
}

/** A device opened anew. A browser whose GPU process has just ended takes a moment to start another. */
async function reopened(threads: number): Promise<Device> {
  for (let tries = 0; ; tries++)
    try {
      return await resolveDevice('webgpu', { threads })
    } catch (error) {
      if (tries === 20) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
}
