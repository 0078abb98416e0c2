/**
 * A program in turns: what ONNX Runtime computes, and the products with quantised weights in between, which it does not. Parts of ONNX Runtime's that are alike, as those of the layers of a model, have equal keys,
 * so that one session serves them all.
 */
import { buildProgram } from '../../../compile/build-program.js'
import type { Program } from '../../../compile/program.js'
import { makeNode } from '../../../graph/build.js'
import { sameValue, shapeOf, typeOf, type Node, type TensorType, type Value } from '../../../graph/node.js'
import { ValueMap } from '../../../graph/walk.js'
import { isSym } from '../../../shape.js'

/** Where a value lies: in a buffer of the call, or in one of the executable's own. */
export interface Place {
  readonly in: 'inputs' | 'outputs' | 'held'
  readonly index: number
}

/** A part that ONNX Runtime computes; places are parallel to its program's inputs and outputs. */
export interface Segment {
  readonly program: Program
  readonly inputs: readonly Place[]
  readonly outputs: readonly Place[]
}

export interface QuantisedProduct {
  readonly node: Node
  readonly x: Place
  readonly packed: Place
  readonly scales: Place
  readonly mins: Place | undefined
  readonly y: Place
}

/** First the segment, then the products. */
export interface Stage {
  readonly segment: Segment | undefined
  readonly products: readonly QuantisedProduct[]
}

export interface Partition {
  readonly stages: readonly Stage[]
  /** Values between stages, from the one that makes them to the last that reads them. */
  readonly held: readonly { readonly type: TensorType; readonly first: number; readonly last: number }[]
}

export function partition(program: Program): Partition {
  return cut(program, true) ?? cut(program, false)!
}

/** Undefined where a value would be read behind the stage that writes over it. */
function cut(program: Program, withProducts: boolean): Partition | undefined {
  const inputOf = new Map(program.inputs.map(({ value }, i) => [value.node, i]))
  const outputsOf = new ValueMap<number[]>()
  program.outputs.forEach(({ value }, i) => outputsOf.set(value, [...(outputsOf.get(value) ?? []), i]))

  /** Needs nothing of a call: made anew wherever it is read. */
  const free = new Set<Node>()
  const stageOf = new Map<Node, number>()
  const products = new Set<Node>()
  for (const node of program.nodes) {
    if (node.inputs.every((value) => free.has(value.node))) {
      free.add(node)
      continue
    }
    let stage = 0
    for (const { node: from } of node.inputs) stage = Math.max(stage, (stageOf.get(from) ?? 0) + (products.has(from) ? 1 : 0))
    stageOf.set(node, stage)
    if (withProducts && isProduct(program, inputOf, free, node)) products.add(node)
  }
  const count = 1 + Math.max(0, ...stageOf.values())

  const held: { type: TensorType; first: number; last: number }[] = []
  const places = new ValueMap<Place>()
  const isFree = ({ node }: Value): boolean => free.has(node)
  for (const node of program.nodes) {
    const stage = stageOf.get(node)
    if (stage === undefined) continue
    for (const value of node.inputs) {
      const from = value.node
      if (inputOf.has(from) || isFree(value) || (stageOf.get(from) === stage && !products.has(from) && !products.has(node))) continue
      const known = places.get(value)
      if (known?.in === 'held') held[known.index]!.last = Math.max(held[known.index]!.last, stage)
      if (known !== undefined) continue
      const output = outputsOf.get(value)?.[0]
      if (output !== undefined) places.set(value, { in: 'outputs', index: output })
      else places.set(value, { in: 'held', index: held.push({ type: typeOf(value), first: stageOf.get(from)!, last: stage }) - 1 })
    }
  }
  const placeOf = (value: Value): Place => {
    const input = inputOf.get(value.node)
    return input === undefined ? places.get(value)! : { in: 'inputs', index: input }
  }
  const stageOfOutput = (value: Value): number => stageOf.get(value.node) ?? count - 1

  for (const { value, alias } of program.outputs) {
    if (alias === undefined) continue
    const { node } = program.inputs[alias]!.value
    const written = stageOfOutput(value)
    const readers = program.nodes.filter((one) => one.inputs.some((input) => input.node === node))
    if (readers.some((one) => (stageOf.get(one) ?? 0) > written || products.has(one))) return undefined
  }

  const stages = Array.from({ length: count }, (_, stage): Stage => {
    const nodes = program.nodes.filter((node) => stageOf.get(node) === stage)
    const outputs = program.outputs.flatMap(({ value, alias }, index) =>
      stageOfOutput(value) === stage && !products.has(value.node) ? [{ value, alias, place: { in: 'outputs', index } as Place }] : [],
    )
    for (const node of nodes)
      if (!products.has(node))
        node.outputs.forEach((_, index) => {
          const place = places.get({ node, index })
          if (place?.in === 'held') outputs.push({ value: { node, index }, alias: undefined, place })
        })
    return {
      segment: outputs.length === 0 ? undefined : segment(outputs),
      products: nodes
        .filter((node) => products.has(node))
        .map((node) => {
          const [x, packed, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
          const y = { node, index: 0 }
          return {
            node,
            x: placeOf(x),
            packed: placeOf(packed),
            scales: placeOf(scales),
            mins: mins === undefined ? undefined : placeOf(mins),
            y: places.get(y) ?? { in: 'outputs', index: outputsOf.get(y)![0]! },
          }
        }),
    }

    function segment(wanted: readonly { readonly value: Value; readonly alias: number | undefined; readonly place: Place }[]): Segment {
      const copies = new ValueMap<Value>()
      const given = new Map<Node, Place>()
      const copy = (value: Value): Value => {
        const known = copies.get(value)
        if (known !== undefined) return known
        const { node } = value
        if (!free.has(node) && (inputOf.has(node) || stageOf.get(node) !== stage || products.has(node))) {
          const input = makeNode('input', [], {}, [typeOf(value)])
          given.set(input, placeOf(value))
          copies.set(value, { node: input, index: 0 })
        } else {
          const made = makeNode(node.op, node.inputs.map(copy), node.attrs, node.outputs)
          node.outputs.forEach((_, index) => copies.set({ node, index }, { node: made, index }))
        }
        return copies.get(value)!
      }
      // In the program's order, so that no chain of nodes is gone down at once.
      for (const node of program.nodes)
        if (free.has(node) ? false : stageOf.get(node) === stage && !products.has(node)) copy({ node, index: 0 })
      const results = wanted.map(({ value }) => copy(value))
      const aliases = wanted.map(({ alias }) => (alias === undefined ? undefined : copies.get(program.inputs[alias]!.value)))
      const part = buildProgram(results, { keepsDuplicates: program.keepsDuplicates, aliases })
      return { program: part, inputs: part.inputs.map(({ value }) => given.get(value.node)!), outputs: wanted.map(({ place }) => place) }
    }
  })
  return { stages, held }
}

/** A product whose weights are frozen, and whose rows are there. */
function isProduct(program: Program, inputOf: ReadonlyMap<Node, number>, free: ReadonlySet<Node>, node: Node): boolean {
  if (node.op !== 'qmatmul') return false
  const [x, ...weights] = node.inputs
  const isFrozen = (value: Value): boolean => {
    const input = inputOf.get(value.node)
    return input !== undefined && program.inputs[input]!.role === 'frozen'
  }
  const shape = shapeOf(x!)
  const several = program.outputs.filter(({ value }) => sameValue(value, { node, index: 0 })).length > 1
  return (
    !several &&
    weights.every(isFrozen) &&
    !free.has(x!.node) &&
    typeOf(x!).dtype === 'f32' &&
    weights.slice(1).every((value) => typeOf(value).dtype === 'f32') &&
    !weights.some((value) => shapeOf(value).some((dim) => isSym(dim) || dim === 0)) &&
    !isSym(shape.at(-1)!) &&
    !shape.includes(0)
  )
}
