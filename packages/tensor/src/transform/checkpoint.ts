import { TensorError } from '../errors.js'
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { Handle } from '../handle.js'
import { Tensor } from '../tensor.js'
import { mapTree } from '../tree.js'
import { makeRegion } from './region.js'
import { isPromise } from './trace.js'

/**
 * The same function, whose intermediate values are not kept for the backward pass but computed again there: less
 * memory for more work. Everything the function reads, captured tensors included, gets its gradient. Randomness
 * repeats, since keys are arguments like any other.
 */
export function checkpoint<Args extends readonly unknown[], Result>(fn: (...args: Args) => Result): (...args: Args) => Result {
  return (...args) => {
    const first = makeNode('const', [], {}, []).id
    const result = fn(...args)
    if (isPromise(result)) {
      result.then(undefined, () => undefined) // its own failure is a consequence, and must not end the process as an unhandled one
      throw new TensorError(
        'TRACE',
        'checkpoint: the function returned a promise; it is recorded synchronously, so leave out async and await',
      )
    }
    const outputs: Value[] = []
    mapTree(result, (leaf) => {
      if (leaf instanceof Handle) outputs.push(leaf.value)
    })
    if (outputs.length === 0) return result
    const region = makeRegion(readFromOutside(outputs, first), outputs)
    let next = 0
    return mapTree(result, (leaf) => (leaf instanceof Handle ? new Tensor(region[next++]!) : leaf)) as Result
  }
}

/** Values made before the region that it reads. Nodes are numbered in order of creation. */
function readFromOutside(outputs: readonly Value[], first: number): Value[] {
  const found: Value[] = []
  const add = (value: Value): void => {
    if (!found.some((other) => other.node === value.node && other.index === value.index)) found.push(value)
  }
  const outside = (node: Node): boolean => node.id < first
  for (const value of outputs) if (outside(value.node)) add(value)
  for (const node of topological(outputs, outside)) for (const value of node.inputs) if (outside(value.node)) add(value)
  return found
}
