/** onnxruntime-web's WebGPU on the same work, as models written by hand with its own fused operators. It does not train. */
import * as ort from 'onnxruntime-web/webgpu'
import { withExternalData } from '../../../../packages/tensor/src/device/onnx/binding/external.js'
import {
  float,
  MICROSOFT,
  ModelBuilder,
  type Name,
  type NodeOptions,
} from '../../../../packages/tensor/src/device/onnx/emit/model-builder.js'
import { FLOAT } from '../../../../packages/tensor/src/device/onnx/emit/onnx-type.js'
import { rows, wave, width } from '../../foundation/contests/contest.js'
import { blockInput, byWeight, eps, gpt, shapes, weightData, type ForwardSide, type Work } from './contest.js'

export async function onnxRuntimeWeb(): Promise<ForwardSide> {
  // One thread: what runs on the adapter needs none, and threads would be workers that load this very page's code.
  ort.env.wasm.numThreads = 1
  ort.env.wasm.wasmPaths = {
    mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs', import.meta.url).href,
    wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm', import.meta.url).href,
  }
  ort.env.logLevel = 'error'
  return {
    runtime: `onnxruntime-web ${ort.env.versions.web ?? ''} (WebGPU)`,
    works: {
      matmul256: () => matmul(256),
      matmul512: () => matmul(512),
      softmax: () => {
        const model = new Model()
        const x = model.input(wave(rows * width, 1), [rows, width])
        return model.work(model.node('Softmax', [x], { attributes: { axis: -1 } }), [rows, width])
      },
      layerNorm: () => {
        const model = new Model()
        const x = model.input(wave(rows * width, 1), [rows, width])
        const [weight, bias] = [model.weight(wave(width, 0.3), [width]), model.weight(wave(width, 0.7), [width])]
        return model.work(model.normal(x, weight, bias), [rows, width])
      },
      block,
    },
  }
}

/** A model of one output. Its inputs lie on the adapter before it runs, its weights are initializers, and the result is read back. */
class Model {
  private readonly builder = new ModelBuilder()
  private readonly inputs: { readonly name: Name; readonly data: Float32Array; readonly dims: readonly number[] }[] = []
  private readonly weights: { readonly name: Name; readonly data: Float32Array }[] = []

  input(data: Float32Array, dims: readonly number[]): Name {
    const name = `input_${this.inputs.length}`
    this.builder.input(name, FLOAT, dims)
    this.inputs.push({ name, data, dims })
    return name
  }

  weight(data: Float32Array, dims: readonly number[]): Name {
    const name = `weight_${this.weights.length}`
    this.builder.externalInitializer(name, FLOAT, dims, data.byteLength)
    this.weights.push({ name, data })
    return name
  }

  node(opType: string, inputs: readonly Name[], options?: NodeOptions): Name {
    return this.builder.node(opType, inputs, options)
  }

  normal(x: Name, gain: Name, shift: Name): Name {
    return this.node('LayerNormalization', [x, gain, shift], { attributes: { axis: -1, epsilon: float(eps) } })
  }

  /** Starts at the first call. */
  work(output: Name, dims: readonly number[]): Work {
    this.builder.output(output, FLOAT, dims)
    let started: Promise<{ readonly session: ort.InferenceSession; readonly feeds: Record<string, ort.Tensor> }> | undefined
    return async () => {
      const { session, feeds } = await (started ??= this.start(output))
      const { [output]: result } = await session.run(feeds)
      return result!.data as Float32Array
    }
  }

  private async start(output: Name) {
    const { bytes, files } = withExternalData(
      {
        bytes: this.builder.finish(),
        inputNames: this.inputs.map(({ name }) => name),
        outputNames: [output],
        symbolInputs: [],
        initializers: this.weights.map(({ name, data }, input) => ({ name, input, offset: 0, bytes: data.byteLength, shape: [] })),
        nodeOps: this.builder.nodeOps,
      },
      (i) => new Uint8Array(this.weights[i]!.data.buffer),
    )
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: ['webgpu'],
      graphOptimizationLevel: 'all',
      externalData: [...files],
      // Nothing may be left to the processor without a word: this says which operators would be.
      extra: { session: { disable_cpu_ep_fallback: '1' } },
    })
    const device = (await ort.env.webgpu.device) as GPUDevice
    const feeds: Record<string, ort.Tensor> = {}
    for (const { name, data, dims } of this.inputs) {
      const buffer = device.createBuffer({
        size: data.byteLength,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      })
      device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>)
      feeds[name] = ort.Tensor.fromGpuBuffer(buffer as never, { dataType: 'float32', dims })
    }
    return { session, feeds }
  }
}

function matmul(size: number): Work {
  const model = new Model()
  const [a, b] = [model.input(wave(size * size, 1.37), [size, size]), model.input(wave(size * size, 0.71), [size, size])]
  return model.work(model.node('MatMul', [a, b]), [size, size])
}

function block(): Work {
  const { tokens, width: size, heads } = gpt
  const model = new Model()
  const x = model.input(blockInput(), [1, tokens, size])
  const w = byWeight((name) => model.weight(weightData(name), shapes[name]))
  const product = (a: Name, b: Name): Name => model.node('MatMul', [a, b])
  const add = (a: Name, b: Name): Name => model.node('Add', [a, b])
  const first = model.normal(x, w.gain1, w.shift1)
  const joined = model.node('MultiHeadAttention', [product(first, w.query), product(first, w.key), product(first, w.value)], {
    domain: MICROSOFT,
    attributes: { num_heads: heads, unidirectional: 1 },
  })
  const after = add(x, add(product(joined, w.output), w.outputBias))
  const inner = model.node('FastGelu', [product(model.normal(after, w.gain2, w.shift2), w.up), w.upBias], { domain: MICROSOFT })
  return model.work(add(after, add(product(inner, w.down), w.downBias)), [1, tokens, size])
}
