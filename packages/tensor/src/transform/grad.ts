import { isFloat } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import { Handle } from '../handle.js'
import { Tensor } from '../tensor.js'
import { mapTree } from '../tree.js'
import { differentiate } from './backward.js'
import { isPromise } from './trace.js'

/** What a differentiated function returns: the loss alone, or with other tensors to keep. */
export type LossResult = Tensor | { readonly loss: Tensor }

/** A function's first argument shaped as its gradients. */
export interface ValueAndGrad<Params, Result> {
  /** What the function returned. */
  readonly value: Result
  /** The gradient of the loss for each tensor of the first argument, nested as it is. */
  readonly grads: Params
}

/**
 * The function's value together with the gradient of its loss with respect to its first argument, any nested record of
 * floating-point tensors. The loss is a scalar: what the function returns, or the `loss` of the record it returns (the
 * rest of that record is handed through).
 *
 * Synchronous: it records graph, inside jit and outside alike. Errors: GRADIENT for a leaf that is not floating point
 * (its path is named), a loss that is not a scalar, or an operation without a derivative on the way.
 */
export function valueAndGrad<Params, Rest extends readonly unknown[], Result extends LossResult>(
  fn: (params: Params, ...rest: Rest) => Result,
): (params: Params, ...rest: Rest) => ValueAndGrad<Params, Result> {
  return (params, ...rest) => {
    const targets: Value[] = []
    const marked = mapTree(params, (leaf, path) => {
      const what = path === '' ? 'the first argument' : `'${path}' of the first argument`
      if (!(leaf instanceof Handle))
        throw new TensorError(
          'GRADIENT',
          `valueAndGrad: ${what} is ${leaf === null || leaf === undefined ? leaf : `a ${typeof leaf}`}, not a tensor; pass what is not differentiated in later arguments`,
        )
      if (!isFloat(leaf.dtype))
        throw new TensorError(
          'GRADIENT',
          `valueAndGrad: ${what} is ${leaf.describe()}; only floating-point tensors have gradients, pass others in later arguments`,
        )
      // A node of its own for each leaf, so that one tensor given twice gets two gradients.
      const target = emit('identity', [leaf.value])
      targets.push(target)
      return new Tensor(target)
    }) as Params
    const result = fn(marked, ...rest)
    if (isPromise(result)) {
      result.then(undefined, () => undefined) // its own failure is a consequence, and must not end the process as an unhandled one
      throw new TensorError(
        'TRACE',
        'valueAndGrad: the function returned a promise; it is recorded synchronously, so leave out async and await',
      )
    }
    const { loss, extras } = splitResult(result)
    const { outputs, grads } = differentiate([loss.value, ...extras.map((extra) => extra.value)], targets)
    let next = 0
    const shaped = mapTree(params, () => new Tensor(grads[next++]!)) as Params
    return { value: joinResult(result, outputs), grads: shaped }
  }
}

/** The gradient alone. */
export function grad<Params, Rest extends readonly unknown[]>(
  fn: (params: Params, ...rest: Rest) => LossResult,
): (params: Params, ...rest: Rest) => Params {
  const both = valueAndGrad(fn)
  return (params, ...rest) => both(params, ...rest).grads
}

function splitResult(result: LossResult): { loss: Handle; extras: Handle[] } {
  if (result instanceof Handle) return { loss: result, extras: [] }
  const loss: unknown = (result as { loss?: unknown } | null | undefined)?.loss
  if (!(loss instanceof Handle))
    throw new TensorError('GRADIENT', 'valueAndGrad: the function must return a scalar tensor, or a record whose loss is one')
  const extras: Handle[] = []
  mapTree(result, (leaf, path) => {
    if (leaf instanceof Handle && path !== 'loss') extras.push(leaf)
  })
  return { loss, extras }
}

/** The function's result with the values as differentiation left them, so that both share one forward pass. */
function joinResult<Result extends LossResult>(result: Result, outputs: readonly Value[]): Result {
  if (result instanceof Handle) return new Tensor(outputs[0]!) as unknown as Result
  let next = 1
  return mapTree(result, (leaf, path) =>
    leaf instanceof Handle ? new Tensor(path === 'loss' ? outputs[0]! : outputs[next++]!) : leaf,
  ) as Result
}
