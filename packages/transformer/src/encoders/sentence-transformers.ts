/** What sentence-transformers' files say of the way from tokens' vectors to a text's. */
import { ConfigFields } from '../checkpoints/families/family.js'
import { parseRecord } from '../checkpoints/record.js'
import { TransformerError } from '../errors.js'
import { join, readJson, type CheckpointFiles } from './checkpoint.js'
import { poolings, type Pooling } from './pooling.js'

/** A linear layer behind the pooling. */
export interface DenseStep {
  readonly kind: 'dense'
  readonly folder: string
  readonly into: number
  readonly out: number
  readonly bias: boolean
  readonly activation: 'tanh' | 'identity' | 'gelu' | 'relu' | 'silu'
}

export type PoolingStep = DenseStep | { readonly kind: 'normalize' }

/** A model of sentence-transformers, or a bare encoder read as it reads one. */
export interface SentencePipeline {
  /** Where the encoder's files are. */
  readonly folder: string
  /** Side by side in the vector. */
  readonly pooling: readonly Pooling[]
  readonly steps: readonly PoolingStep[]
  readonly prompts: Readonly<Record<string, string>>
  readonly defaultPrompt: string | undefined
  readonly maxTokens: number | undefined
  readonly lowerCase: boolean
}

const settingsNames = ['bert', 'roberta', 'distilbert', 'camembert', 'xlm-roberta'].map((kind) => `sentence_${kind}_config.json`)

/** Older files have a flag for each way of pooling. In the order in which the vectors are put together. */
const flags: readonly (readonly [flag: string, pooling: Pooling])[] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
]

const activations: Readonly<Record<string, DenseStep['activation']>> = {
  Tanh: 'tanh',
  Identity: 'identity',
  GELU: 'gelu',
  ReLU: 'relu',
  SiLU: 'silu',
}

/** Reads `modules.json` and what it names; without it the encoder is alone, and its tokens are averaged. Errors: CHECKPOINT. */
export async function readPipeline(files: CheckpointFiles): Promise<SentencePipeline> {
  const text = await files.text('modules.json')
  const modules = text === undefined ? [{ kind: 'Transformer', folder: '' }] : modulesOf(text, `${files.label}: modules.json`)
  const [first, ...rest] = modules
  const fail = (kind: string, expected: string): never => {
    throw new TransformerError('CHECKPOINT', `${files.label}: modules.json has a module ${JSON.stringify(kind)}; expected ${expected}`)
  }
  if (first?.kind !== 'Transformer') return fail(first?.kind ?? 'nothing', 'a Transformer first')
  let pooling: readonly Pooling[] | undefined
  const steps: PoolingStep[] = []
  for (const { kind, folder } of rest) {
    if (kind === 'Pooling' && pooling === undefined && steps.length === 0) pooling = await poolingOf(files, folder)
    else if (kind === 'Dense') steps.push(await denseOf(files, folder))
    else if (kind === 'Normalize') steps.push({ kind: 'normalize' })
    else fail(kind, 'one Pooling, then Dense and Normalize')
  }
  return {
    folder: first.folder,
    pooling: pooling ?? ['mean'],
    steps,
    ...(await settingsOf(files, first.folder)),
    ...(await promptsOf(files)),
  }
}

function modulesOf(text: string, label: string): { readonly kind: string; readonly folder: string }[] {
  const fields = parseRecord(`{"modules":${text}}`, label)['modules']
  if (!Array.isArray(fields) || fields.length > 64) throw new TransformerError('CHECKPOINT', `${label}: expected a short list of modules`)
  return fields.map((one: unknown, i) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one))
      throw new TransformerError('CHECKPOINT', `${label}: module ${i} is no object`)
    const module = new ConfigFields(one as Record<string, unknown>, `${label}: module ${i}`)
    const folder = module.text('path', '')
    // A model's files lie in its folder, and nothing else there is any of their business.
    if (/^([/\\]|[a-z]:)/i.test(folder) || folder.split(/[/\\]/).includes('..')) throw module.fail('path', 'a folder inside the model')
    return { kind: module.text('type').split('.').at(-1)!, folder: folder.replace(/\/+$/, '') }
  })
}

async function poolingOf(files: CheckpointFiles, folder: string): Promise<readonly Pooling[]> {
  const path = join(folder, 'config.json')
  const values = await readJson(files, path)
  const fields = new ConfigFields(values, `${files.label}: ${path}`)
  fields.expect('include_prompt', [true])
  const mode = values['pooling_mode']
  if (mode === undefined) {
    const asked = flags.filter(([flag]) => fields.flag(flag, false)).map(([, pooling]) => pooling)
    return asked.length === 0 ? ['mean'] : asked
  }
  const modes: readonly unknown[] = Array.isArray(mode) ? mode : [mode]
  if (modes.length === 0 || modes.length > poolings.length || modes.some((one) => !(poolings as readonly unknown[]).includes(one)))
    throw fields.fail('pooling_mode', `some of ${poolings.join(', ')}`)
  return modes as readonly Pooling[]
}

async function denseOf(files: CheckpointFiles, folder: string): Promise<DenseStep> {
  const path = join(folder, 'config.json')
  const fields = new ConfigFields(await readJson(files, path), `${files.label}: ${path}`)
  fields.expect('use_residual', [false])
  fields.expect('module_input_name', ['sentence_embedding'])
  const name = fields.text('activation_function', 'torch.nn.modules.activation.Tanh')
  const activation = activations[name.split('.').at(-1)!]
  if (activation === undefined) throw fields.fail('activation_function', Object.keys(activations).join(', '))
  const [into, out] = [fields.number('in_features'), fields.number('out_features')]
  for (const [field, value] of Object.entries({ in_features: into, out_features: out }))
    if (!(Number.isInteger(value) && value >= 1 && value <= 2 ** 20)) throw fields.fail(field, 'an integer from 1 to 1048576')
  return { kind: 'dense', folder, into, out, bias: fields.flag('bias', true), activation }
}

async function settingsOf(files: CheckpointFiles, folder: string): Promise<Pick<SentencePipeline, 'maxTokens' | 'lowerCase'>> {
  for (const name of settingsNames) {
    const path = join(folder, name)
    const text = await files.text(path)
    if (text === undefined) continue
    const fields = new ConfigFields(parseRecord(text, `${files.label}: ${path}`), `${files.label}: ${path}`)
    const maxTokens = fields.has('max_seq_length') ? fields.number('max_seq_length') : undefined
    return { maxTokens, lowerCase: fields.flag('do_lower_case', false) }
  }
  return { maxTokens: undefined, lowerCase: false }
}

async function promptsOf(files: CheckpointFiles): Promise<Pick<SentencePipeline, 'prompts' | 'defaultPrompt'>> {
  const name = 'config_sentence_transformers.json'
  const text = await files.text(name)
  if (text === undefined) return { prompts: {}, defaultPrompt: undefined }
  const values = parseRecord(text, `${files.label}: ${name}`)
  const fields = new ConfigFields(values, `${files.label}: ${name}`)
  const given = fields.has('prompts') ? values['prompts'] : {}
  if (typeof given !== 'object' || given === null || Array.isArray(given) || Object.values(given).some((one) => typeof one !== 'string'))
    throw fields.fail('prompts', 'texts by name')
  const prompts = given as Record<string, string>
  const fallback = fields.has('default_prompt_name') ? fields.text('default_prompt_name') : undefined
  if (fallback !== undefined && !Object.hasOwn(prompts, fallback)) throw fields.fail('default_prompt_name', 'the name of a prompt')
  return { prompts, defaultPrompt: fallback }
}
