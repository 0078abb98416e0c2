import { lower } from '../compile/lower.js'
import { buildProgram } from '../compile/build-program.js'
import { printGraph, toGraphviz, toMermaid } from '../graph/print.js'
import type { Handle } from '../handle.js'

/** How a graph is written: text one node a line, Graphviz source (`dot -Tsvg`), or Mermaid source for Markdown. */
export type GraphFormat = 'text' | 'graphviz' | 'mermaid'

/** The recorded graph behind some tensors, before any device has rewritten it. Realised tensors are its inputs. */
export function graphOf(tensors: readonly Handle[], format: GraphFormat = 'text'): string {
  const values = tensors.map((tensor) => tensor.value)
  switch (format) {
    case 'text':
      return printGraph(values)
    case 'graphviz':
      return toGraphviz(values)
    case 'mermaid':
      return toMermaid(values)
    default:
      return format satisfies never
  }
}

/**
 * The ONNX model that the CPU device makes of some tensors' graph, as the bytes of an `.onnx` file: Netron opens it. Weights
 * are its inputs, not its contents.
 */
export async function toOnnx(tensors: readonly Handle[]): Promise<Uint8Array> {
  const { emitModel, supportsNatively } = await import('../device/onnx/emit/emit.js')
  const target = {
    name: 'cpu' as const,
    supports: (...[op, inputs, outputs, attrs]: Parameters<Parameters<typeof lower>[1]['supports']>) =>
      supportsNatively(op, inputs, outputs, attrs, 'node'),
  }
  const lowered = lower(
    tensors.map((tensor) => tensor.value),
    target,
  )
  return emitModel(buildProgram(lowered.outputs, lowered), { initializers: false, target: 'node' }).bytes
}
