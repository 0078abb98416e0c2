/** What is checked inside a browser. Each check takes and returns plain JSON; those about values return what is wrong, one line each. */
import {
  jit,
  onWarning,
  openGguf,
  referenceDevice,
  resolveDevice,
  tensor,
  valueAndGrad,
  type Device,
  type DeviceName,
  type Tensor,
} from '@tesserae/tensor'
import { sampler } from '@tesserae/sampling'
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'
import { createModel, initWeights, llama, loadModel, readGgufModel, readLlama2c } from '@tesserae/transformer'
import type { ModelSource, WeightType } from '@tesserae/transformer'
import { findWebGpu } from '../../../packages/tensor/src/device/webgpu/find.js'
import { gpuTuning } from '../../../packages/tensor/src/kernel/lib/tuning.js'
import { mismatch } from '../../../packages/tensor/src/testing/compare.js'
import { checkGoldens, checkTable } from '../../../packages/tensor/src/testing/op-table.js'
import { lineEdges } from '../../../packages/tensor/src/testing/line-edges.js'
import { webGpuOf } from '../../../packages/tensor/src/testing/webgpu.js'
import { firstLosses, shakespeareOf } from '../../../tools/acceptance/foundation/shakespeare/model.js'
import { failureChecks } from './failures.js'
import { largeSamples, largeWeights } from './large.js'
import { cacheProblems } from './lengths.js'

const warnings: string[] = []
onWarning((message) => warnings.push(message))

const reference = referenceDevice()
const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const wave = (count: number, step: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step + 1))

/** The same small computations on a device. */
async function valuesOn(device: Device): Promise<Record<string, Float32Array>> {
  using x = await tensor(wave(6 * 16, 0.7), { shape: [6, 16] }).realize({ device })
  using w = await tensor(wave(16 * 5, 0.3), { shape: [16, 5] }).realize({ device })
  const read = async (value: Tensor): Promise<Float32Array> => {
    using owned = value
    return (await owned.data()) as Float32Array
  }
  const loss = (weight: Tensor, input: Tensor): Tensor => input.matmul(weight).softmax().log().mean()
  const step = jit(
    (weight: Tensor, input: Tensor) => {
      const { value, grads } = valueAndGrad(loss)(weight, input)
      return { value, grad: grads }
    },
    { device },
  )
  try {
    const first = await step(w, x)
    first.value.dispose()
    first.grad.dispose()
    const again = await step(w, x) // replayed
    return {
      matmul: await read(x.matmul(w)),
      softmax: await read(x.matmul(w).softmax()),
      jitted: await read(again.value),
      gradient: await read(again.grad),
    }
  } finally {
    step.dispose()
  }
}

/** The CPU refuses bfloat16 here, see `refusals`. */
const refused = (device: DeviceName): { readonly without?: string } => (device === 'cpu' ? { without: 'bf16' } : {})

export const checks = {
  ...failureChecks,

  /** Where this runs, and on what. */
  async environment(_: Record<string, never>) {
    const device = await resolveDevice('cpu')
    return {
      description: device.description,
      threads: device.caps.threads,
      inPlace: device.caps.outputsInPlace,
      isolated: globalThis.crossOriginIsolated,
      worker: typeof document === 'undefined',
      processors: navigator.hardwareConcurrency,
      warnings,
    }
  },

  /** Products, softmax, a gradient and a replayed jit: the device against the reference. */
  async values({ device = 'cpu' }: { readonly device?: DeviceName }): Promise<string[]> {
    const [actual, expected] = [await valuesOn(await resolveDevice(device)), await valuesOn(reference)]
    return Object.entries(expected).flatMap(([name, values]) => {
      const problem = mismatch('f32', actual[name]!, values)
      return problem === undefined ? [] : [`${name}: ${problem}`]
    })
  },

  /** Fits w in y = x·w by gradient descent, each step given the memory of the one before. */
  async learning({ steps }: { readonly steps: number }) {
    using x = tensor([
      [1, 0],
      [0, 1],
      [1, 1],
      [2, -1],
    ])
    using y = tensor([[2], [-3], [-1], [7]])
    const loss = (w: Tensor): Tensor => x.matmul(w).sub(y).square().mean()
    const step = jit(
      (w: Tensor) => {
        const { value, grads } = valueAndGrad(loss)(w)
        return { w: w.sub(grads.mul(0.3)), value }
      },
      { donate: [0] },
    )
    let w: Tensor = tensor([[0], [0]])
    const losses: number[] = []
    for (let i = 0; i < steps; i++) {
      const result = await step(w)
      w = result.w
      losses.push(Number(await result.value.item()))
      result.value.dispose()
    }
    const weight = Array.from(await w.data(), Number)
    w.dispose()
    step.dispose()
    return { losses, weight }
  },

  /**
   * Samples of rows (all when none is named), values and gradients, as written and decomposed; or of each row the first as it is written. bfloat16 is refused by the
   * CPU, see `refusals`. `form: 'gpu'` runs WebGPU's kernels as they are cut for graphics processors.
   */
  async conformance({
    rows,
    device: name = 'cpu',
    first = false,
    form,
  }: {
    readonly rows?: readonly string[]
    readonly device?: DeviceName
    readonly first?: boolean
    readonly form?: 'gpu'
  }) {
    const device = form === undefined ? await resolveDevice(name) : await (await findWebGpu()).open({ tuning: gpuTuning })
    return checkTable(device, { first, ...(rows === undefined ? {} : { rows }), ...refused(name) })
  },

  /** PyTorch's values, from the text of a file of goldens. */
  async goldens({ text, device: name = 'cpu' }: { readonly text: string; readonly device?: DeviceName }) {
    return checkGoldens(text, await resolveDevice(name), refused(name))
  },

  /** Messages for what this device cannot do. */
  async refusals(_: Record<string, never>) {
    const device = await resolveDevice('cpu')
    const attempt = async (work: () => Promise<unknown>): Promise<{ code: unknown; message: string }> => {
      try {
        await work()
        return { code: undefined, message: 'nothing was thrown' }
      } catch (error) {
        return { code: (error as { code?: unknown }).code, message: errorText(error) }
      }
    }
    return {
      bf16: await attempt(async () => {
        using x = tensor([1, 2], { dtype: 'bf16' })
        using y = await x.add(1).realize({ device })
        return y.data()
      }),
      shapes: await attempt(async () => tensor([[1, 2]]).matmul(tensor([[1, 2]]))),
      cuda: await attempt(() => resolveDevice('cuda')),
    }
  },

  /** A new model with a cache, without one, and on the reference: the same ids. Nothing may be left on the device. */
  async caches({ device: name = 'cpu' }: { readonly device?: DeviceName }) {
    const device = await resolveDevice(name, { threads: 1 }) // of its own, so that nothing else is counted
    const config = llama({ vocabSize: 31, width: 16, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 48 })
    const generate = async (target: Device, useCache: boolean): Promise<readonly number[]> => {
      using model = await createModel({ config, weights: initWeights(config, { seed: 4 }), device: target })
      return (await model.generate([1, 2, 3, 4, 5], { maxTokens: 24, useCache })).ids
    }
    const result = {
      cached: await generate(device, true),
      uncached: await generate(device, false),
      reference: await generate(reference, true),
    }
    const { liveBuffers, programs } = device.memory()
    await device.dispose()
    return { ...result, liveBuffers, programs }
  },

  /** Where generation with a cache and without differ, by the length of the prompt. `form: 'gpu'` as for `conformance`. */
  async lengths({ lengths, form }: { readonly lengths: readonly number[]; readonly form?: 'gpu' }): Promise<string[]> {
    const device = form === undefined ? await resolveDevice('webgpu') : await (await findWebGpu()).open({ tuning: gpuTuning })
    return cacheProblems(device, lengths)
  },

  /** Weights that take several bindings and buffers, see `large.ts`. */
  async large({ limits, trains = false }: { readonly limits: Parameters<typeof largeWeights>[0]; readonly trains?: boolean }) {
    return largeWeights(limits, await resolveDevice('cpu'), trains)
  },

  /** Samples whose tensors do. */
  async largeTable({ limits, rows }: { readonly limits: Parameters<typeof largeSamples>[0]; readonly rows?: readonly string[] }) {
    return largeSamples(limits, rows)
  },

  /**
   * What differs at the edges of sorts, running sums and additions at indices: at every so many of them, and at those whose names begin as one given. `form: 'gpu'` as
   * for `conformance`.
   */
  async lineEdges({
    every = Infinity,
    names = [],
    form,
  }: {
    readonly every?: number
    readonly names?: readonly string[]
    readonly form?: 'gpu'
  }): Promise<{ count: number; problems: string[] }> {
    const device = await (await findWebGpu()).open(form === undefined ? {} : { tuning: gpuTuning })
    const chosen = lineEdges.filter(({ name }, i) => i % every === 1 || names.some((start) => name.startsWith(start)))
    const problems: string[] = []
    for (const { name, check } of chosen) {
      const problem = await check(device)
      if (problem !== undefined) problems.push(`${name}: ${problem}`)
    }
    await device.dispose()
    return { count: chosen.length, problems }
  },

  /** The first losses of the tiny GPT's training on characters of a text of the server. */
  async losses({ file, steps, device }: { readonly file: string; readonly steps: number; readonly device: DeviceName }): Promise<number[]> {
    const response = await fetch(file)
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`)
    return firstLosses(shakespeareOf(await response.text()), steps, { device: await resolveDevice(device) })
  },

  /** What the later tokens of a generation ask of WebGPU, by method. */
  async replay({ tokens }: { readonly tokens: number }): Promise<Record<string, number>> {
    const device = webGpuOf(await resolveDevice('webgpu', { threads: 7 }))
    const config = llama({ vocabSize: 31, width: 16, layers: 1, heads: 4, kvHeads: 2, hidden: 24, context: 48 })
    using model = await createModel({ config, weights: initWeights(config, { seed: 4 }), device })
    const counts: Record<string, number> = {}
    const { gpu } = device
    for (const name of ['createBindGroup', 'createBuffer', 'createComputePipelineAsync'] as const) {
      const original = gpu[name].bind(gpu) as (...args: unknown[]) => unknown
      Object.assign(gpu, {
        [name]: (...args: unknown[]) => {
          counts[name] = (counts[name] ?? 0) + 1
          return original(...args)
        },
      })
    }
    let count = 0
    for await (const _ of model.stream([1, 2, 3, 4, 5], { maxTokens: tokens + 4 }))
      if (++count === 4) for (const name of Object.keys(counts)) counts[name] = 0
    return counts
  },

  /** A trained model from files of the server. `expected` is what llama2.c continues the prompt with. */
  async stories({
    folder,
    prompt,
    maxTokens,
    device: name = 'cpu',
  }: {
    readonly folder: string
    readonly prompt: string
    readonly maxTokens: number
    readonly device?: DeviceName
  }) {
    const bytes = async (name: string): Promise<Uint8Array> => {
      const response = await fetch(`${folder}/${name}`)
      if (!response.ok) throw new Error(`${response.url}: ${response.status}`)
      return new Uint8Array(await response.arrayBuffer())
    }
    const device = await resolveDevice(name)
    const tokenizer = Tokenizer.fromLlama2c(await bytes('tok512.bin'))
    using model = await createModel({ ...(await readLlama2c(await bytes('stories260K.bin'))), tokenizer, device })
    const ids: number[] = []
    let text = ''
    const start = performance.now()
    for await (const event of model.stream(prompt, { maxTokens })) {
      ids.push(event.id)
      text += event.text ?? ''
    }
    return {
      ids,
      text,
      roundTrip: tokenizer.decode(tokenizer.encode(text), { skipSpecial: true }),
      tokensPerSecond: (ids.length * 1000) / (performance.now() - start),
    }
  },

  /** Ids that a model in GGUF, given as base64, goes on with behind some others, and its logits behind all of them. */
  async continued({
    gguf,
    prompt,
    tokens,
    device: name,
  }: {
    readonly gguf: string
    readonly prompt: readonly number[]
    readonly tokens: number
    readonly device: DeviceName
  }): Promise<{ readonly ids: readonly number[]; readonly last: readonly number[] }> {
    const file = await openGguf(Uint8Array.from(atob(gguf), (byte) => byte.charCodeAt(0)))
    const { config, weights } = await readGgufModel(file)
    using model = await createModel({ config, weights, device: await resolveDevice(name), capacity: 64 })
    const { ids } = await model.generate(prompt, { maxTokens: tokens })
    const logits = await model.logits([...prompt, ...ids])
    return { ids, last: Array.from(logits.subarray(-config.vocabSize)) }
  },

  /** What models go on with, a row of ids for each place that a page has them in: files that were chosen, blobs, object URLs, addresses. `gguf` and `folder` are addresses. */
  async loaded({
    gguf,
    folder,
    names,
    prompt,
    tokens,
  }: {
    readonly gguf: string
    readonly folder: string
    readonly names: readonly string[]
    readonly prompt: readonly number[]
    readonly tokens: number
  }): Promise<{ readonly ggufs: readonly number[][]; readonly folders: readonly number[][]; readonly progress: number }> {
    const device = await resolveDevice('cpu')
    const letters = Array.from({ length: 64 }, (_, i) => [String.fromCodePoint(0x61 + i), i] as const)
    const tokenizer = Tokenizer.fromJSON({ model: { type: 'BPE', vocab: Object.fromEntries(letters), merges: [] } })
    let progress = 0
    const idsOf = async (source: ModelSource, dtype: WeightType = 'auto'): Promise<number[]> => {
      const lm = await loadModel(source, {
        device,
        dtype,
        tokenizer,
        context: 64,
        onProgress: ({ completed, total }) => (progress = completed / total!),
      })
      const { ids } = await lm.model.generate(prompt, { maxTokens: tokens })
      await lm.dispose()
      return [...ids]
    }
    const blobOf = async (address: string): Promise<Blob> => (await fetch(address)).blob()
    const blob = await blobOf(gguf)
    const object = URL.createObjectURL(blob)
    const ggufs: number[][] = []
    for (const source of [blob, object, new URL(gguf, location.href)]) ggufs.push(await idsOf(source))
    for (const dtype of ['f32', 'q8'] as const) ggufs.push(await idsOf(new File([blob], 'model.gguf'), dtype))
    URL.revokeObjectURL(object)
    const files = await Promise.all(names.map(async (name) => new File([await blobOf(`${folder}/${name}`)], name)))
    return { ggufs, folders: [await idsOf(files), await idsOf(folder)], progress }
  },

  /** Trains a tokenizer; text must come back from ids, whole and streamed, and a seeded sampler must repeat itself. */
  async text({ corpus }: { readonly corpus: string }) {
    const tokenizer = await trainBpe([corpus], { vocabSize: 400 })
    const samples = [corpus.slice(0, 500), 'naïve Ωmega 東京 🦄👩‍👩‍👧', ' \n\t', '']
    const streamed = samples.map((sample) => {
      const decoder = tokenizer.decoder()
      return Array.from(tokenizer.encode(sample), (id) => decoder.push(id)).join('') + decoder.flush()
    })
    const draw = (): number[] => {
      const chain = sampler({ temperature: 0.9, topK: 20, topP: 0.95, seed: 7 })
      return Array.from({ length: 20 }, (_, i) => chain.choose(wave(64, 0.1 + i / 10)))
    }
    return { samples, decoded: samples.map((sample) => tokenizer.decode(tokenizer.encode(sample))), streamed, draws: [draw(), draw()] }
  },
}

export type Checks = typeof checks
