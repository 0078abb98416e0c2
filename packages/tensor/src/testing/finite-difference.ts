/**
 * Checks derivatives against central differences in float64. Works on rows alone: each node's `vjp` (or that of its
 * decomposition) is applied by hand, without the transforms that users go through.
 */
import { random } from '@tesserae/core'
import { isFloat, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emitAll, rowOf } from '../graph/build.js'
import { dtypeOf, shapeOf, typeOf, type Attrs, type Node, type Value } from '../graph/node.js'
import { add } from '../graph/primitives.js'
import { topological, ValueMap } from '../graph/walk.js'
import type { OpRow, RefTensor, Sample } from '../ops/row.js'
import { printShape, sameShape } from '../shape.js'
import { evaluate, placeholder, placeholdersFor, refTensor, sampleTensors } from './evaluate.js'

/** `vjp` takes a row's own derivative where there is one; `decompose` differentiates decompositions down to primitives. */
export type Route = 'vjp' | 'decompose'

/** Gradients of the targets, given those of the outputs; undefined where none arrives. */
export function pullback(
  outputs: readonly Value[],
  seeds: readonly (Value | undefined)[],
  targets: readonly Value[],
  route: Route = 'vjp',
): (Value | undefined)[] {
  const ends = new Set<Node>(targets.map((value) => value.node))
  const nodes = topological(outputs, (node) => ends.has(node))
  const onPath = new Set<Node>(ends)
  for (const node of nodes)
    if (rowOf(node.op).stopsGradient !== true && node.inputs.some((value) => onPath.has(value.node) && isFloat(dtypeOf(value))))
      onPath.add(node)
  const grads = new ValueMap<Value>()
  const accumulate = (value: Value, grad: Value | undefined, from: string): void => {
    if (grad === undefined) return
    if (!sameShape(shapeOf(value), shapeOf(grad)) || dtypeOf(value) !== dtypeOf(grad))
      throw new TensorError(
        'GRADIENT',
        `${from}: the gradient of a ${dtypeOf(value)} ${printShape(shapeOf(value))} is ${dtypeOf(grad)} ${printShape(shapeOf(grad))}`,
      )
    const before = grads.get(value)
    grads.set(value, before === undefined ? grad : add(before, grad))
  }
  outputs.forEach((value, i) => accumulate(value, seeds[i], 'seed'))
  for (const node of nodes.reverse()) {
    if (!onPath.has(node)) continue
    const incoming = node.outputs.map((_, index) => grads.get({ node, index }))
    if (incoming.every((grad) => grad === undefined)) continue
    const needs = node.inputs.map((value) => onPath.has(value.node) && isFloat(dtypeOf(value)))
    const row = rowOf(node.op)
    if (row.decompose !== undefined && (row.vjp === undefined || route === 'decompose')) {
      const parts = row.decompose(node.inputs, node.attrs)
      const distinct = node.inputs.filter(
        (value, i) => needs[i] === true && node.inputs.findIndex((other) => other.node === value.node && other.index === value.index) === i,
      )
      pullback(parts, incoming, distinct, route).forEach((grad, i) => accumulate(distinct[i]!, grad, node.op))
      continue
    }
    if (row.vjp === undefined) throw new TensorError('GRADIENT', `${node.op} has no derivative`)
    const back = row.vjp({
      inputs: node.inputs,
      outputs: node.outputs.map((_, index) => ({ node, index })),
      attrs: node.attrs,
      grads: incoming,
      needs,
    })
    back.forEach((grad, i) => needs[i] === true && accumulate(node.inputs[i]!, grad, node.op))
  }
  return targets.map((value) => grads.get(value))
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
  const grads = pullback(
    outputs,
    seeds,
    wanted.map((i) => values[i]!),
    route,
  )
  const present = grads.filter((grad): grad is Value => grad !== undefined)
  const analytic = evaluate(present, feeds)
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
    const grad = grads[w]
    const derivative = grad === undefined ? undefined : analytic[present.indexOf(grad)]!.data
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
      const found = derivative === undefined ? 0 : derivative[element]!
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
  const gradients: Build = (values) => {
    const own = values.slice(0, tensors.length)
    const incoming = values.slice(tensors.length)
    let next = 0
    const results = build(own)
    return pullback(
      results,
      results.map((value) => (isFloat(dtypeOf(value)) ? incoming[next++] : undefined)),
      inputs.map((i) => own[i]!),
      options.route,
    ).filter((grad): grad is Value => grad !== undefined)
  }
  return differencesOf(gradients, [...tensors, ...seeds], { ...options, inputs: [...inputs, ...seeds.map((_, i) => tensors.length + i)] })
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
