/** Checks derivatives against central differences in float64, as the transforms that users go through make them. */
import { random } from '@tesserae/core'
import { isFloat, type DType } from '../dtype.js'
import { emitAll, makeNode, rowOf } from '../graph/build.js'
import { dtypeOf, shapeOf, typeOf, type Attrs, type Value } from '../graph/node.js'
import { topological, ValueMap } from '../graph/walk.js'
import type { OpRow, RefTensor, Sample } from '../ops/row.js'
import { differentiate } from '../transform/backward.js'
import { evaluate, placeholder, placeholdersFor, refTensor, sampleTensors } from './evaluate.js'

/** `vjp` takes a row's own derivative where there is one; `decompose` differentiates decompositions down to primitives. */
export type Route = 'vjp' | 'decompose'

/** Gradients of the targets, given those of the outputs. */
export const pullback = (
  outputs: readonly Value[],
  seeds: readonly (Value | undefined)[],
  targets: readonly Value[],
  route: Route = 'vjp',
): readonly Value[] => differentiate(route === 'vjp' ? outputs : decomposed(outputs), targets, seeds).grads

/** The graph in terms of primitives. */
function decomposed(outputs: readonly Value[]): Value[] {
  const map = new ValueMap<Value>()
  const at = (value: Value): Value => map.get(value) ?? value
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map(at)
    const { decompose } = rowOf(node.op)
    if (decompose !== undefined) decomposed(decompose(inputs, node.attrs)).forEach((value, index) => map.set({ node, index }, value))
    else if (inputs.some((value, i) => value !== node.inputs[i])) {
      const copy = makeNode(node.op, inputs, node.attrs, node.outputs)
      node.outputs.forEach((_, index) => map.set({ node, index }, { node: copy, index }))
    }
  }
  return outputs.map(at)
}

export interface DifferenceOptions {
  readonly route?: Route
  /** Step for elements up to 1; it grows with the cube root of larger ones, as their rounding does. Default 1e-5. */
  readonly step?: number
  /** At most this many elements of each input are varied, evenly spread; default 40. */
  readonly maxElements?: number
  /** Inputs to differentiate by; default all floats. */
  readonly inputs?: readonly number[]
  /** Which outputs get a random gradient: all floats (default), or the first only. */
  readonly seeds?: 'all' | 'first'
}

export interface GradientDifference {
  /** Index of the input. */
  readonly input: number
  /** Largest |derivative − difference quotient| over 1 + the largest quotient. */
  readonly error: number
  /** The element where it is largest, with both figures. */
  readonly element: number
  readonly derivative: number
  readonly quotient: number
}

type Build = (inputs: readonly Value[]) => readonly Value[]

/** Compares derivatives of a function of graph values at some tensors (floats in f64) with difference quotients. */
export function differencesOf(build: Build, tensors: readonly RefTensor[], options: DifferenceOptions = {}): GradientDifference[] {
  const { route = 'vjp', step = 1e-5, maxElements = 40 } = options
  const { values, feeds } = placeholdersFor(tensors)
  const outputs = build(values)
  const seeded = outputs.map((value, i) => isFloat(dtypeOf(value)) && (options.seeds !== 'first' || i === 0))
  const seeds = outputs.map((value, i) => (seeded[i] === true ? placeholder(typeOf(value)) : undefined))
  seeds.forEach((seed, i) => seed && feeds.set(seed.node, randomTensor(seed, `seed/${i}`)))
  const wanted = options.inputs ?? values.flatMap((value, i) => (isFloat(dtypeOf(value)) ? [i] : []))
  const analytic = evaluate(
    pullback(
      outputs,
      seeds,
      wanted.map((i) => values[i]!),
      route,
    ),
    feeds,
  )
  const scalarLoss = (): number => {
    let total = 0
    evaluate(outputs, feeds).forEach((tensor, i) => {
      const seed = seeds[i]
      if (seed === undefined) return
      const weights = feeds.get(seed.node)!.data
      for (let k = 0; k < weights.length; k++) total += weights[k]! * tensor.data[k]!
    })
    return total
  }
  return wanted.map((input, w) => {
    const { data } = tensors[input]!
    const derivative = analytic[w]!.data
    let worst: GradientDifference = { input, error: 0, element: -1, derivative: 0, quotient: 0 }
    let largest = 0
    const stride = Math.max(1, Math.ceil(data.length / maxElements))
    for (let element = 0; element < data.length; element += stride) {
      const held = data[element]!
      const h = step * Math.cbrt(Math.max(1, Math.abs(held)))
      data[element] = held + h
      const above = scalarLoss()
      data[element] = held - h
      const below = scalarLoss()
      data[element] = held
      const quotient = (above - below) / (2 * h)
      const found = derivative[element]!
      const error = Number.isNaN(found - quotient) ? Infinity : Math.abs(found - quotient)
      largest = Math.max(largest, Math.abs(quotient))
      if (error > worst.error) worst = { input, error, element, derivative: found, quotient }
    }
    return { ...worst, error: worst.error / (1 + largest) }
  })
}

function randomTensor(value: Value, seed: string): RefTensor {
  const shape = shapeOf(value) as readonly number[]
  const stream = random(seed)
  return refTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.uniform() * 2 - 1),
    dtypeOf(value),
  )
}

/** A sample's attributes with float dtypes named in them turned into f64. */
const inDouble = (attrs: Attrs): Attrs =>
  Object.fromEntries(Object.entries(attrs).map(([name, attr]) => [name, name === 'dtype' && isFloat(attr as DType) ? 'f64' : attr]))

/** First derivatives of a row on a sample, in float64. By the inputs that the row differentiates by. */
export function rowDifferences(row: OpRow, sample: Sample, options: DifferenceOptions = {}): GradientDifference[] {
  const { build, tensors, inputs } = prepared(row, sample, options)
  return differencesOf(build, tensors, { ...options, inputs })
}

/** Second derivatives: the gradients, as functions of inputs and incoming gradients, are differentiated once more. */
export function rowSecondDifferences(row: OpRow, sample: Sample, options: DifferenceOptions = {}): GradientDifference[] {
  const { build, tensors, inputs } = prepared(row, sample, options)
  const outputs = build(placeholdersFor(tensors).values).filter((value) => isFloat(dtypeOf(value)))
  const seeds = outputs.map((value, i) => randomTensor(value, `incoming/${i}`))
  const firstOrder: Build = (values) => {
    const own = values.slice(0, tensors.length)
    const incoming = values.slice(tensors.length)
    let next = 0
    const results = build(own)
    return pullback(
      results,
      results.map((value) => (isFloat(dtypeOf(value)) ? incoming[next++] : undefined)),
      inputs.map((i) => own[i]!),
      options.route,
    )
  }
  return differencesOf(firstOrder, [...tensors, ...seeds], { ...options, inputs: [...inputs, ...seeds.map((_, i) => tensors.length + i)] })
}

function prepared(
  row: OpRow,
  sample: Sample,
  options: DifferenceOptions,
): { build: Build; tensors: RefTensor[]; inputs: readonly number[] } {
  const attrs = inDouble(sample.attrs ?? {})
  const tensors = sampleTensors(row, sample, 'f64')
  const { values } = placeholdersFor(tensors)
  const inputs =
    options.inputs ?? values.flatMap((value, i) => (isFloat(dtypeOf(value)) && (row.differentiable?.includes(i) ?? true) ? [i] : []))
  return { build: (given) => emitAll(row.name, given, attrs), tensors, inputs }
}
