/** What most architectures say in GGUF under the same keys, behind their own name. */
import type { DecoderConfig } from '../../architectures/config.js'
import type { RopeScaling } from '../../architectures/rope-scaling.js'
import type { ConfigFields, GgufTensors } from './family.js'

/** A file's fields by names without the architecture in front. */
export class GgufFields {
  /** Value of `general.architecture`. */
  readonly kind: string

  constructor(
    readonly all: ConfigFields,
    readonly tensors: GgufTensors,
  ) {
    this.kind = all.text('general.architecture')
  }

  has(name: string): boolean {
    return this.all.has(`${this.kind}.${name}`)
  }

  number(name: string, fallback?: number): number {
    return this.all.number(`${this.kind}.${name}`, fallback)
  }

  /** The number where there is one, as a field to spread. */
  optional<Field extends string>(name: string, field: Field): { readonly [key in Field]?: number } {
    return this.has(name) ? ({ [field]: this.number(name) } as { readonly [key in Field]: number }) : {}
  }

  expect(name: string, values: readonly (string | boolean | number)[]): void {
    this.all.expect(`${this.kind}.${name}`, values)
  }
}

/** Sizes and rotary positions. */
export function usualGguf(fields: GgufFields) {
  const [width, heads] = [fields.number('embedding_length'), fields.number('attention.head_count')]
  const headWidth = fields.number('attention.key_length', width / heads)
  fields.expect('attention.value_length', [headWidth])
  const context = fields.number('context_length')
  return {
    vocabSize: fields.tensors.tokens,
    width,
    layers: fields.all.layers(`${fields.kind}.block_count`),
    heads,
    kvHeads: fields.number('attention.head_count_kv', heads),
    headWidth,
    hidden: fields.number('feed_forward_length'),
    context,
    tied: !fields.tensors.has('output.weight'),
  }
}

/** Norms by their root mean square. */
export const rmsGguf = (fields: GgufFields): Pick<DecoderConfig, 'normEps'> => ({
  normEps: fields.number('attention.layer_norm_rms_epsilon'),
})

/** Rotary positions. */
export function ropeGguf(
  fields: GgufFields,
  { headWidth, context }: Pick<DecoderConfig, 'headWidth' | 'context'>,
): Pick<DecoderConfig, 'ropeBase' | 'ropeScaling' | 'rotaryWidth'> {
  const rotaryWidth = fields.number('rope.dimension_count', headWidth)
  const scaling = scalingOf(fields, context)
  return {
    ropeBase: fields.number('rope.freq_base', 10_000),
    ...(rotaryWidth === headWidth ? {} : { rotaryWidth }),
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
  }
}

function scalingOf(fields: GgufFields, context: number): RopeScaling | undefined {
  const first = (): number => fields.number('rope.scaling.original_context_length', context)
  const [short, long] = ['short', 'long'].map((which) => fields.tensors.numbers(`rope_factors_${which}.weight`))
  if (short !== undefined && long !== undefined)
    return { kind: 'longrope', short, long, context: first(), attentionFactor: fields.number('rope.scaling.attn_factor', 1) }
  const divisors = fields.tensors.numbers('rope_freqs.weight')
  if (divisors !== undefined) return { kind: 'divided', divisors }
  fields.expect('rope.scaling.type', ['none', 'linear', 'yarn'])
  const kind = fields.all.text(`${fields.kind}.rope.scaling.type`, 'none')
  if (kind === 'none') return undefined
  const factor = fields.number('rope.scaling.factor')
  if (kind === 'linear') return factor === 1 ? undefined : { kind, factor }
  return {
    kind: 'yarn',
    factor,
    context: first(),
    ...fields.optional('rope.scaling.yarn_beta_fast', 'betaFast'),
    ...fields.optional('rope.scaling.yarn_beta_slow', 'betaSlow'),
    // llama.cpp multiplies its own by it.
    ...(fields.has('rope.scaling.attn_factor')
      ? { attentionFactor: fields.number('rope.scaling.attn_factor') * (0.1 * Math.log(factor) + 1) }
      : {}),
  }
}

/** Windows by layer: of all but every `pattern`-th where the file does not say which, as llama.cpp has it; 1 is all. */
export function windowGguf(fields: GgufFields, layers: number, pattern: number): { readonly windows?: readonly number[] } {
  const window = fields.number('attention.sliding_window', 0)
  if (window === 0) return {}
  const key = 'attention.sliding_window_pattern'
  const name = `${fields.kind}.${key}`
  const slides = patternOf(fields, key, name, layers, pattern)
  return { windows: Array.from({ length: layers }, (_, layer) => (slides(layer) ? window : 0)) }
}

function patternOf(fields: GgufFields, key: string, name: string, layers: number, usual: number): (layer: number) => boolean {
  const every = (pattern: number) => (layer: number) => pattern <= 1 || layer % pattern < pattern - 1
  if (!fields.has(key)) return every(usual)
  try {
    return every(fields.number(key))
  } catch {
    const list = fields.all.list(name)!
    if (list.length !== layers) throw fields.all.fail(name, `one for each of ${layers} layers`)
    return (layer) => Boolean(list[layer])
  }
}
