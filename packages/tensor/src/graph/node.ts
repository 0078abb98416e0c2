import type { DType } from '../dtype.js'
import type { Index, Shape } from '../shape.js'

/** What is known about a tensor before it has values. */
export interface TensorType {
  readonly shape: Shape
  readonly dtype: DType
}

/** Attributes are plain data: they take part in the structural hash. */
export type Attr = number | string | boolean | null | undefined | Index | readonly Attr[]
export type Attrs = Readonly<Record<string, Attr>>

/** One operation. Immutable; equality of graphs is structural, identity of nodes means nothing but speed. */
export interface Node {
  /** Increases with creation, so inputs always have smaller ids than the nodes that use them. */
  readonly id: number
  readonly op: string
  readonly inputs: readonly Value[]
  readonly attrs: Attrs
  readonly outputs: readonly TensorType[]
  /** Only on `input` nodes: where the values live. Not part of the structural hash. */
  readonly source?: object
}

/** An edge of the graph: output `index` of a node. */
export interface Value {
  readonly node: Node
  readonly index: number
}

export const typeOf = (value: Value): TensorType => value.node.outputs[value.index]!
export const shapeOf = (value: Value): Shape => typeOf(value).shape
export const dtypeOf = (value: Value): DType => typeOf(value).dtype
export const sameValue = (a: Value, b: Value): boolean => a.node === b.node && a.index === b.index
