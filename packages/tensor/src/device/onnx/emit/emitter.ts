import type { Attrs, Node } from '../../../graph/node.js'
import type { EmitContext, Output } from './context.js'

/** Writes the ONNX nodes of one of our nodes and says where its outputs are. */
export type Emitter = (context: EmitContext, node: Node) => readonly Output[]

/** Emitters by op, one record per file. */
export type EmitterTable = Readonly<Record<string, Emitter>>

/** A node's attributes as the type that its row checked them against. */
export const attrsOf = <A extends Attrs>(node: Node): A => node.attrs as A
