import * as jax from '@jax-js/jax'
import { byParameter, eps, mlp, rows, wave, width, type ParameterName, type Side, type Work } from './contest.js'

type JaxArray = jax.Array

/** jax-js on wasm: the fastest backend that Node has for it, beside a scalar interpreter. It asks browsers for WebGPU and WebGL. */
export async function jaxJs(): Promise<Side> {
  await jax.init('wasm')
  jax.defaultDevice('wasm')
  return {
    runtime: 'jax-js, wasm',
    works: { matmul512: () => matmul(512), matmul1024: () => matmul(1024), softmax, layerNorm: normalization, mlp: training },
  }
}

export const array = (data: Float32Array, shape: readonly number[]): JaxArray => jax.numpy.array(data, { shape: [...shape] })
export const read = (result: JaxArray): Promise<ArrayLike<number>> => result.data() as Promise<Float32Array>

export function matmul(size: number): Work {
  const shape = [size, size]
  const [a, b] = [array(wave(size * size, 1.37), shape), array(wave(size * size, 0.71), shape)]
  const product = jax.jit((x: JaxArray, y: JaxArray) => jax.numpy.matmul(x, y))
  return () => read(product(a.ref, b.ref))
}

export function softmax(): Work {
  const x = array(wave(rows * width, 1), [rows, width])
  const run = jax.jit((values: JaxArray) => jax.nn.softmax(values, -1))
  return () => read(run(x.ref))
}

export function normalization(): Work {
  const [x, w, b] = [array(wave(rows * width, 1), [rows, width]), array(wave(width, 0.3), [width]), array(wave(width, 0.7), [width])]
  // standardize is (x − mean) · rsqrt(variance + epsilon): the form that jax-js itself offers.
  const run = jax.jit((values: JaxArray, weight: JaxArray, bias: JaxArray) =>
    jax.nn.standardize(values, -1, { epsilon: eps }).mul(weight).add(bias),
  )
  return () => read(run(x.ref, w.ref, b.ref))
}

function training(): Work {
  const { numpy, nn } = jax
  let parameters = byParameter((name) => array(mlp.parameters[name].data, mlp.parameters[name].shape))
  const [x, y] = [array(mlp.x.data, mlp.x.shape), array(mlp.y.data, mlp.y.shape)]
  const loss = (p: Record<ParameterName, JaxArray>, batch: JaxArray, labels: JaxArray): JaxArray => {
    const logits = numpy.matmul(nn.relu(numpy.matmul(batch, p.w1).add(p.b1)), p.w2).add(p.b2)
    return numpy.mean(numpy.sum(nn.logSoftmax(logits).mul(labels), -1)).neg()
  }
  const step = jax.jit(
    (p: Record<ParameterName, JaxArray>, batch: JaxArray, labels: JaxArray): [Record<ParameterName, JaxArray>, JaxArray] => {
      const [value, grads] = jax.valueAndGrad(loss)(
        byParameter((name) => p[name].ref),
        batch,
        labels,
      ) as [JaxArray, Record<ParameterName, JaxArray>]
      return [byParameter((name) => p[name].sub(grads[name].mul(mlp.rate))), value]
    },
  )
  return async () => {
    const [next, value] = step(parameters, x.ref, y.ref)
    parameters = next
    return read(value)
  }
}
