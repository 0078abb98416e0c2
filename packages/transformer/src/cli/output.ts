/** What all subcommands share: options of a model, progress, errors, and an end by Ctrl-C. */
import { readFile } from 'node:fs/promises'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { TesseraeError, type ProgressEvent } from '@tesserae/core'
import type { DeviceName, QuantizedInputs } from '@tesserae/tensor'
import type { CacheType } from '../cache/cache-type.js'
import { TransformerError } from '../errors.js'
import type { ContrastiveSettings } from '../generate/types.js'
import type { WeightType } from '../checkpoints/matrix.js'
import type { LmSampling } from '../lm/sampling.js'
import type { Lm } from '../lm/types.js'
import { loadModel } from '../load/load.js'
import type { LocalLm } from '../lm/local.js'

/** Prints an error and gives the exit code: 2 for what was asked in a wrong way, 130 for Ctrl-C, 1 for all else. */
export function fail(error: unknown, print = (text: string): void => void process.stderr.write(text)): number {
  if ((error as { readonly name?: string }).name === 'AbortError') return 130
  print(`${textOf(error)}\n`)
  return isUsage(error) ? 2 : 1
}

/** Of what was given: an option, a device, a template, a schema. */
const usageCodes = ['OPTION', 'VALUE', 'DEVICE', 'TEMPLATE', 'RANDOM_SEED', 'GRAMMAR']

const isUsage = (error: unknown): boolean => {
  const { code = '' } = error as { readonly code?: string }
  return code.startsWith('ERR_PARSE_ARGS') || (TesseraeError.isInstance(error) && usageCodes.includes(code))
}

/** What is ours says what to do, here by the names of options; of others it helps to know where they come from. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!TesseraeError.isInstance(error) && !isUsage(error)) return error.stack ?? error.message
  return error.message
    .replace(/option chatTemplate of loadModel and createLm/, '--template')
    .replace(/^(\w+) (must be|is) /, (whole, name: string, verb: string) => (hasOption(name) ? `--${optionOf(name)} ${verb} ` : whole))
    .replace(/\. To specify a positional argument starting with a '-'.*/, '; --help tells which there are')
}

const optionOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const hasOption = (name: string): boolean =>
  Object.hasOwn(modelOptions, optionOf(name)) || ['type', 'workers', 'port', 'concurrency', 'queue'].includes(name)

type Options = NonNullable<ParseArgsConfig['options']>

interface Arguments<Given extends Options> {
  readonly values: ReturnType<typeof parseArgs<{ readonly allowPositionals: true; readonly options: Given }>>['values']
  readonly positionals: readonly string[]
}

/** What a subcommand takes beside options: `MODEL`, `[PROMPT]` where it may be left out, `[TEXT …]` for any number. */
type Names = readonly string[]

/** Arguments of a subcommand; undefined where help was asked for, which is printed. Errors: those of `parseArgs`; OPTION for names that are missing or too many. */
export function argumentsOf<const Given extends Options>(
  args: readonly string[],
  {
    usage,
    options,
    names,
    print = (text) => void process.stdout.write(text),
  }: { readonly usage: string; readonly options: Given; readonly names: Names; readonly print?: (text: string) => void },
): Arguments<Given> | undefined {
  const { values, positionals } = parseArgs({
    args: withNegatives(args),
    allowPositionals: true,
    options: { ...options, help: { type: 'boolean', short: 'h' } },
  })
  if ((values as { readonly help?: boolean }).help === true) {
    print(usage)
    return undefined
  }
  const [call] = usage.split('\n')
  const missing = names.filter((name) => !name.startsWith('['))[positionals.length]
  if (missing !== undefined) throw new TransformerError('OPTION', `${missing} is missing\n${call}\n--help tells more`)
  const extra = names.at(-1)!.includes('…') ? [] : positionals.slice(names.length)
  if (extra.length > 0)
    throw new TransformerError(
      'OPTION',
      `${extra.map((one) => JSON.stringify(one)).join(', ')} ${extra.length > 1 ? 'are' : 'is'} too much; texts of several words go into quotes\n${call}\n--help tells more`,
    )
  return { values: values as Arguments<Given>['values'], positionals }
}

/** `--seed -1` as `--seed=-1`: a number is no option. */
const withNegatives = (args: readonly string[]): string[] =>
  args.flatMap((arg, i) => {
    const isNumber = (text: string | undefined): boolean => text !== undefined && /^-\.?\d/.test(text)
    if (isNumber(arg) && args[i - 1]?.startsWith('--') === true) return []
    return arg.startsWith('--') && isNumber(args[i + 1]) ? [`${arg}=${args[i + 1]!}`] : [arg]
  })

/** A number of an option; undefined where it was not given. Errors: OPTION. */
export function numberOf(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number))
    throw new TransformerError('OPTION', `--${name} is a number, got ${JSON.stringify(value)}`)
  return number
}

/** The text of a file that an option names. Errors: OPTION where it cannot be read. */
export async function fileOf(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as { readonly code?: string }
    const why = code === 'ENOENT' ? 'there is nothing at' : code === 'EISDIR' ? 'a file is wanted, and there is a folder at' : 'cannot read'
    throw new TransformerError('OPTION', `--${option}: ${why} ${path}`, { cause: error })
  }
}

/** A whole number of an option, `least` or more; undefined where it was not given. Errors: OPTION. */
export function countOf(name: string, value: string | undefined, least: number, most = Infinity): number | undefined {
  const number = numberOf(name, value)
  if (number === undefined || (Number.isInteger(number) && number >= least && number <= most)) return number
  const range = most === Infinity ? `from ${least} on` : `from ${least} to ${most}`
  throw new TransformerError('OPTION', `--${name} is a whole number ${range}, got ${value}`)
}

export const modelOptions = {
  template: { type: 'string' },
  device: { type: 'string' },
  dtype: { type: 'string' },
  activations: { type: 'string' },
  context: { type: 'string' },
  'cache-type': { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  'penalty-alpha': { type: 'string' },
  seed: { type: 'string' },
} as const satisfies Options

export const modelUsage = `  --template FILE     a chat template (Jinja) in place of the model's own
  --device NAME       auto, cpu, webgpu or cuda; default auto
  --dtype NAME        what matrices are kept in: auto, f32, f16, bf16, q8 or q4; default auto
  --activations NAME  what those of few bits are multiplied by: rounded, or f32 for exact answers on a CPU
  --context N         tokens of a prompt and its answer together; default at most 4096
  --cache-type NAME   what keys and values are kept in: f32, f16, q8 or q4; default f32
  --max-tokens N      most tokens of an answer
  --temperature X     0 takes the most likely token each time; default the model's own settings
  --top-k N --top-p X --min-p X --seed N
  --penalty-alpha X   contrastive search among the --top-k (default 4) likeliest, in place of sampling; 0.6 is usual
`

type ModelValues = { readonly [Key in keyof typeof modelOptions]?: string | undefined }

/** Loads a model, with progress where people look at it. */
export async function modelOf(source: string, values: ModelValues, signal: AbortSignal): Promise<LocalLm> {
  const context = countOf('context', values.context, 1)
  const chatTemplate = values.template === undefined ? undefined : await fileOf('template', values.template)
  const lm = await loadModel(source, {
    signal,
    onProgress: showProgress,
    ...(values.device === undefined ? {} : { device: values.device as DeviceName }),
    ...(values.dtype === undefined ? {} : { dtype: values.dtype as WeightType }),
    ...(values.activations === undefined ? {} : { activations: values.activations as QuantizedInputs }),
    ...(values['cache-type'] === undefined ? {} : { cacheType: values['cache-type'] as CacheType }),
    ...(context === undefined ? {} : { context }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  })
  if (chatTemplate !== undefined) await checkTemplate(lm)
  return lm
}

/** What is wrong with a template is told before anybody asks. Errors: TEMPLATE of `@tesserae/tokenizer`; the model is disposed then. */
export async function checkTemplate(lm: Pick<Lm, 'tokenize' | 'dispose'>): Promise<void> {
  try {
    await lm.tokenize([{ role: 'user', content: 'x' }])
  } catch (error) {
    await lm.dispose()
    throw error
  }
}

/** What `stream` and `generate` of a model take. */
interface AnswerOptions {
  readonly maxTokens?: number
  readonly sampler?: LmSampling
  readonly contrastive?: ContrastiveSettings
}

export function answerOptions(values: ModelValues): AnswerOptions {
  const maxTokens = countOf('max-tokens', values['max-tokens'], 0)
  const penaltyAlpha = numberOf('penalty-alpha', values['penalty-alpha'])
  const topK = countOf('top-k', values['top-k'], 0)
  const drawing = {
    temperature: numberOf('temperature', values.temperature),
    topP: numberOf('top-p', values['top-p']),
    minP: numberOf('min-p', values['min-p']),
    seed: numberOf('seed', values.seed),
  }
  const limit = maxTokens === undefined ? {} : { maxTokens }
  if (penaltyAlpha !== undefined && !(penaltyAlpha >= 0 && penaltyAlpha <= 1))
    throw new TransformerError('OPTION', `--penalty-alpha is a number from 0 to 1, got ${penaltyAlpha}`)
  if (penaltyAlpha === undefined) return { ...limit, sampler: given({ ...drawing, topK }) }
  const [other] = Object.keys(given(drawing))
  if (other !== undefined)
    throw new TransformerError('OPTION', `--penalty-alpha chooses among the likeliest without drawing; leave --${optionOf(other)} out`)
  return { ...limit, contrastive: { penaltyAlpha, ...given({ topK }) } }
}

/** Without what was not said. */
const given = <Values extends object>(values: Values): { [Name in keyof Values]?: NonNullable<Values[Name]> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never

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
