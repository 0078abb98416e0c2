import * as jax from '@jax-js/jax'
import { array, matmul, normalization, read, softmax } from '../../foundation/contests/jax-js.js'
import { blockInput, byWeight, eps, gpt, shapes, weightData, type Side, type WeightName, type Work } from './contest.js'

type JaxArray = jax.Array
type Weights = Record<WeightName, JaxArray>

export async function jaxJs(): Promise<Side> {
  const found = await jax.init('webgpu')
  if (!found.includes('webgpu')) throw new Error('jax-js found no WebGPU')
  jax.defaultDevice('webgpu')
  return {
    runtime: 'jax-js, webgpu',
    works: {
      matmul256: () => matmul(256),
      matmul512: () => matmul(512),
      softmax,
      layerNorm: normalization,
      block: forward,
      step: training,
    },
  }
}

/** (x − mean) · rsqrt(variance + epsilon), scaled and moved: the form that jax-js itself offers. */
const normal = (x: JaxArray, gain: JaxArray, shift: JaxArray): JaxArray => jax.nn.standardize(x, -1, { epsilon: eps }).mul(gain).add(shift)

const weights = (): Weights => byWeight((name) => array(weightData(name), shapes[name]))
const input = (): JaxArray => array(blockInput(), [gpt.tokens, gpt.width])

/** Uses up its arguments, as jax-js has it. */
function block(w: Weights, x: JaxArray): JaxArray {
  const { numpy, nn } = jax
  const { tokens, width: size, heads } = gpt
  const first = normal(x.ref, w.gain1, w.shift1)
  const split = (y: JaxArray): JaxArray => y.reshape([tokens, heads, size / heads])
  const [q, k] = [split(numpy.matmul(first.ref, w.query)), split(numpy.matmul(first.ref, w.key))]
  const v = split(numpy.matmul(first, w.value))
  const joined = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([tokens, size])
  const after = x.add(numpy.matmul(joined, w.output).add(w.outputBias))
  const inner = nn.gelu(numpy.matmul(normal(after.ref, w.gain2, w.shift2), w.up).add(w.upBias), { approximate: true })
  return after.add(numpy.matmul(inner, w.down).add(w.downBias))
}

function forward(): Work {
  const [w, x] = [weights(), input()]
  const run = jax.jit((all: Weights, batch: JaxArray) => block(all, batch))
  return () =>
    read(
      run(
        byWeight((name) => w[name].ref),
        x.ref,
      ),
    )
}

function training(): Work {
  let w = weights()
  const x = input()
  const loss = (all: Weights, batch: JaxArray): JaxArray => jax.numpy.mean(jax.numpy.square(block(all, batch)))
  const step = jax.jit((all: Weights, batch: JaxArray): [Weights, JaxArray] => {
    const [value, grads] = jax.valueAndGrad(loss)(
      byWeight((name) => all[name].ref),
      batch,
    ) as [JaxArray, Weights]
    return [byWeight((name) => all[name].sub(grads[name].mul(gpt.rate))), value]
  })
  return async () => {
    const [next, value] = step(w, x.ref)
    w = next
    return read(value)
  }
}
