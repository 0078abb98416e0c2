import { countParameters } from '../architectures/count.js'
import { openCheckpoint } from '../checkpoints/open.js'
import { modelMemory } from '../generate/memory.js'
import { toolFormatOf } from '../lm/tool-format.js'
import { readFacts } from '../load/load.js'
import { placeOf } from '../load/place.js'
import { readTokenizer } from '../load/tokenizer.js'
import { argumentsOf, bytesText, interrupted } from './output.js'

const usage = `Usage: npx @tesserae/transformer inspect MODEL [options]

Shows what a checkpoint is, without reading its weights: architecture, parameters, types of its tensors, memory, context, licence, template.

  --json              as JSON
  --tensors           each tensor too
`

export async function inspect(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, { usage, options: { json: { type: 'boolean' }, tensors: { type: 'boolean' } }, names: ['MODEL'] })
  if (given === undefined) return 0
  const files = await placeOf(given.positionals[0]!, { signal: interrupted() })
  const opened = await openCheckpoint(files)
  try {
    const { config, format, architecture } = opened
    const facts = await readFacts(files, opened)
    const tokenizer = await readTokenizer(files, opened).catch((error: Error) => error)
    const template = tokenizer instanceof Error ? undefined : tokenizer.chatTemplates.get('default')
    const tensors = await opened.tensors()
    const types: Record<string, { tensors: number; bytes: number }> = {}
    for (const name of tensors?.names ?? []) {
      const { dtype, bytes } = tensors!.info(name)
      const type = (types[dtype] ??= { tensors: 0, bytes: 0 })
      type.tensors++
      type.bytes += bytes
    }
    const sum = (list: readonly { readonly bytes: number }[]): number => list.reduce((total, { bytes }) => total + bytes, 0)
    const weights = sum((await opened.memory({ dtype: 'auto', capacity: 0 })).weights)
    const cacheOf = (capacity: number): number => sum(modelMemory(config, { capacity }).cache)
    const report = {
      id: facts.id,
      format,
      architecture,
      licence: facts.licence,
      parameters: countParameters(config).total,
      layers: config.layers,
      width: config.width,
      heads: config.heads,
      kvHeads: config.kvHeads,
      vocabulary: config.vocabSize,
      context: config.context,
      types,
      memory: { weights, cacheOf4096: cacheOf(Math.min(4096, config.context)), cacheOfContext: cacheOf(config.context) },
      tokenizer: tokenizer instanceof Error ? tokenizer.message : tokenizer.vocabSize,
      chatTemplate: template,
      toolFormat: template === undefined ? undefined : toolFormatOf(template),
      sampling: facts.sampling,
      ...(given.values.tensors === true ? { tensors: (tensors?.names ?? []).map((name) => tensors!.info(name)) } : {}),
    }
    process.stdout.write(given.values.json === true ? `${JSON.stringify(report, null, 2)}\n` : textOf(report))
  } finally {
    await opened.dispose()
  }
  return 0
}

type Report = {
  readonly types: Readonly<Record<string, { readonly tensors: number; readonly bytes: number }>>
  readonly memory: { readonly weights: number; readonly cacheOf4096: number; readonly cacheOfContext: number }
  readonly chatTemplate: string | undefined
  readonly sampling: object
  readonly tensors?: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[]
} & Readonly<Record<string, unknown>>

function textOf({ types, memory, chatTemplate, sampling, tensors, ...plain }: Report): string {
  const rows: (readonly [string, string])[] = [
    ...Object.entries(plain).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'number' ? value.toLocaleString('en') : String(value)] as const],
    ),
    ...Object.entries(types).map(([type, { tensors: count, bytes }]) => [type, `${count} tensors, ${bytesText(bytes)}`] as const),
    [
      'memory',
      `${bytesText(memory.weights)} of weights, ${bytesText(memory.cacheOf4096)} of cache for 4,096 tokens, ${bytesText(memory.cacheOfContext)} for all`,
    ],
    ['sampling', JSON.stringify(sampling)],
    ['template', chatTemplate === undefined ? 'none' : `${chatTemplate.length} characters`],
    ...(tensors ?? []).map(({ name, dtype, shape }) => [name, `${dtype} [${shape.join(', ')}]`] as const),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}
