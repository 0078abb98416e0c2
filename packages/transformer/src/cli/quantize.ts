import { resolve } from 'node:path'
import { quantizeGguf, type QuantizeGgufOptions } from '../checkpoints/node/quantize-gguf.js'
import { TransformerError } from '../errors.js'
import { argumentsOf, interrupted } from './output.js'

const usage = `Usage: npx @tesserae/transformer quantize FROM.gguf TO.gguf [options]

Writes a GGUF file with its matrices in fewer bits. llama.cpp reads the result.

  --type NAME         q8_0, q4_0, q4_1 or f16; default q8_0
  --requantize        matrices that are in blocks already too
`

export async function quantize(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, {
    usage,
    options: { type: { type: 'string' }, requantize: { type: 'boolean' } },
    names: ['FROM.gguf', 'TO.gguf'],
  })
  if (given === undefined) return 0
  const [from, to] = given.positionals
  if (resolve(from!) === resolve(to!))
    throw new TransformerError('OPTION', `${from} would be replaced by itself in fewer bits, which cannot be undone; name another file`)
  await quantizeGguf(from!, to!, {
    type: (given.values.type ?? 'q8_0').toLowerCase() as QuantizeGgufOptions['type'],
    requantize: given.values.requantize === true,
    signal: interrupted(),
    onProgress: (done, total) =>
      void (process.stderr.isTTY && process.stderr.write(`\r\x1b[K${done < total ? `${done} of ${total} tensors` : ''}`)),
  })
  return 0
}
