/** What all subcommands share: options of a model, progress, errors, and an end by Ctrl-C. */
import type { CacheType } from '../cache/cache-type.js'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { TesseraeError, type ProgressEvent } from '@tesserae/core'
import type { DeviceName } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import type { WeightType } from '../checkpoints/matrix.js'
import type { LmSampling } from '../lm/sampling.js'
import { loadModel } from '../load/load.js'
import type { LocalLm } from '../lm/local.js'

/** Prints an error and gives the exit code: 2 for what was asked in a wrong way, 130 for Ctrl-C, 1 for all else. */
export function fail(error: unknown): number {
  const { code, name, message } = error as { readonly code?: string; readonly name?: string; readonly message?: string }
  if (name === 'AbortError') return 130
  const isKnown = TesseraeError.isInstance(error) || code?.startsWith('ERR_PARSE_ARGS') === true
  process.stderr.write(`${isKnown ? message : error instanceof Error ? error.stack : String(error)}\n`)
  return code === 'OPTION' || code?.startsWith('ERR_PARSE_ARGS') === true ? 2 : 1
}

type Options = NonNullable<ParseArgsConfig['options']>

interface Arguments<Given extends Options> {
  readonly values: ReturnType<typeof parseArgs<{ readonly allowPositionals: true; readonly options: Given }>>['values']
  readonly positionals: readonly string[]
}

/** Arguments of a subcommand; undefined where help was asked for, which is printed. Errors: those of `parseArgs`; OPTION for the wrong number of names. */
export function argumentsOf<const Given extends Options>(
  args: readonly string[],
  { usage, options, names }: { readonly usage: string; readonly options: Given; readonly names: readonly [least: number, most: number] },
): Arguments<Given> | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...options, help: { type: 'boolean', short: 'h' } },
  })
  if ((values as { readonly help?: boolean }).help === true) {
    process.stdout.write(usage)
    return undefined
  }
  if (positionals.length < names[0] || positionals.length > names[1])
    throw new TransformerError('OPTION', `${positionals.length} names were given\n\n${usage}`)
  return { values: values as Arguments<Given>['values'], positionals }
}

/** A number of an option; undefined where it was not given. Errors: OPTION. */
export function numberOf(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number))
    throw new TransformerError('OPTION', `--${name} is a number, got ${JSON.stringify(value)}`)
  return number
}

export const modelOptions = {
  device: { type: 'string' },
  dtype: { type: 'string' },
  context: { type: 'string' },
  'cache-type': { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  seed: { type: 'string' },
} as const satisfies Options

export const modelUsage = `  --device NAME       auto, cpu, webgpu or cuda; default auto
  --dtype NAME        what matrices are kept in: auto, f32, q8 or q4; default auto
  --context N         tokens of a prompt and its answer together; default at most 4096
  --cache-type NAME   what keys and values are kept in: f32 or f16, half the memory; default f32
  --max-tokens N      most tokens of an answer
  --temperature X     0 takes the most likely token each time; default the model's own settings
  --top-k N --top-p X --min-p X --seed N
`

type ModelValues = { readonly [Key in keyof typeof modelOptions]?: string | undefined }

/** Loads a model, with progress where people look at it. */
export async function modelOf(source: string, values: ModelValues, signal: AbortSignal): Promise<LocalLm> {
  const context = numberOf('context', values.context)
  return loadModel(source, {
    signal,
    onProgress: showProgress,
    ...(values.device === undefined ? {} : { device: values.device as DeviceName }),
    ...(values.dtype === undefined ? {} : { dtype: values.dtype as WeightType }),
    ...(values['cache-type'] === undefined ? {} : { cacheType: values['cache-type'] as CacheType }),
    ...(context === undefined ? {} : { context }),
  })
}

export function answerOptions(values: ModelValues): { readonly maxTokens?: number; readonly sampler: LmSampling } {
  const maxTokens = numberOf('max-tokens', values['max-tokens'])
  const given = {
    temperature: numberOf('temperature', values.temperature),
    topK: numberOf('top-k', values['top-k']),
    topP: numberOf('top-p', values['top-p']),
    minP: numberOf('min-p', values['min-p']),
    seed: numberOf('seed', values.seed),
  }
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    sampler: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
}

let shown = 0

function showProgress({ task, completed, total, message = '' }: ProgressEvent): void {
  if (!process.stderr.isTTY || total === undefined) return
  const now = performance.now()
  if (completed < total && now - shown < 100) return
  shown = now
  const done = completed === total
  process.stderr.write(`\r\x1b[K${done ? '' : `${task} ${message} ${((100 * completed) / Math.max(total, 1)).toFixed(0)} %`}`)
}

/** A signal that Ctrl-C aborts; a second one ends the process. */
export function interrupted(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  return controller.signal
}

export const bytesText = (bytes: number): string => {
  const [size, unit] = bytes >= 2 ** 30 ? [2 ** 30, 'GiB'] : bytes >= 2 ** 20 ? [2 ** 20, 'MiB'] : [1024, 'KiB']
  return `${(bytes / size).toFixed(1)} ${unit}`
}
