/**
 * Writes the model of every sample of every operation that has an emitter, for check-models.py:
 *
 *   npx tsx --conditions=@tesserae/source tools/onnx/write-models.ts <folder>
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Program } from '../../packages/tensor/src/compile/program.js'
import { emitModel, supportsNatively } from '../../packages/tensor/src/device/onnx/emit/emit.js'
import { emitAll, makeNode } from '../../packages/tensor/src/graph/build.js'
import { shapeOf, typeOf, type Value } from '../../packages/tensor/src/graph/node.js'
import { topological } from '../../packages/tensor/src/graph/walk.js'
import { slice } from '../../packages/tensor/src/graph/primitives.js'
import { allOps } from '../../packages/tensor/src/ops/table.js'
import { elementCount, isSym, sym, type Sym } from '../../packages/tensor/src/shape.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('write-models: give the folder to write to')
mkdirSync(folder, { recursive: true })

function programOf(outputs: readonly Value[], frozen: ReadonlySet<Value> = new Set()): Program {
  const all = topological(outputs)
  const symbols = new Set<Sym>(all.flatMap((node) => node.outputs.flatMap(({ shape }) => shape.filter(isSym))))
  const inputs = all.filter((node) => node.op === 'input').map((node): Value => ({ node, index: 0 }))
  return {
    key: '',
    nodes: all.filter((node) => node.op !== 'input'),
    inputs: inputs.map((value) => ({
      ...typeOf(value),
      role: [...frozen].some(({ node }) => node === value.node) ? 'frozen' : 'input',
      value,
    })),
    outputs: outputs.map((value) => ({ ...typeOf(value), value })),
    symbols: [...symbols],
    keepsDuplicates: false,
  }
}

let count = 0
let longest = 0
function write(name: string, outputs: readonly Value[], frozen?: ReadonlySet<Value>): void {
  const program = programOf(outputs, frozen)
  const { bytes } = emitModel(program, { initializers: true, target: 'node' })
  for (const input of program.inputs) if (input.role === 'frozen') longest = Math.max(longest, elementCount(input.shape) * 4)
  writeFileSync(join(folder!, `${String(count++).padStart(4, '0')} ${name.replace(/[^A-Za-z0-9 -]/g, '_')}.onnx`), bytes)
}

for (const row of allOps)
  for (const sample of row.samples) {
    // The kernel for attention over caches takes heads of 8 and more; the samples' have 4.
    const widened = (shape: readonly number[]): readonly number[] =>
      row.name === 'attendCached' && shape.length === 4 ? [...shape.slice(0, 3), 8] : shape
    const inputs = sample.inputs.map(({ shape, dtype = 'f32' }): Value => ({
      node: makeNode('input', [], {}, [{ shape: widened(shape), dtype }]),
      index: 0,
    }))
    const outputs = emitAll(row.name, inputs, sample.attrs ?? {})
    const [types, results] = [inputs.map(typeOf), outputs.map(typeOf)]
    if (!supportsNatively(row.name, types, results, sample.attrs ?? {}, 'node')) continue
    write(`${row.name} ${sample.name}`, outputs)
    // The same with weights as external initializers, where that changes the model.
    if (row.name === 'qmatmul') write(`${row.name} frozen ${sample.name}`, outputs, new Set(inputs.slice(1)))
    // And with the first axis known only at run time.
    const x = inputs[0]
    const first = x === undefined ? undefined : shapeOf(x)[0]
    if (x === undefined || typeof first !== 'number' || first < 2 || inputs.length !== 1 || typeOf(x).dtype !== 'f32') continue
    const n = sym('n', { max: first })
    try {
      const part = slice(
        x,
        shapeOf(x).map(() => 0),
        [n, ...shapeOf(x).slice(1)],
      )
      write(`${row.name} symbolic ${sample.name}`, emitAll(row.name, [part], sample.attrs ?? {}))
    } catch {
      // Not every operation takes a symbol on its first axis.
    }
  }
writeFileSync(join(folder, 'weights'), new Uint8Array(longest))
process.stdout.write(`${count} models\n`)
