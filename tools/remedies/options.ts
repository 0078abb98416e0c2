import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.js'

export const usage = `Usage: npm run remedies -- [options]
  --model FILE         a module that exports a model of the AI SDK (or any LanguageModelLike) as default or 'model'
  --endpoint URL       an OpenAI-compatible server instead, such as http://localhost:8080/v1
  --model-id ID        its model; default 'default'
  --key-variable NAME  the environment variable that holds the server's key
  --embedder FILE      a module that exports an embedding model as default or 'embedder': retrieval becomes hybrid
  --budget N           most tokens of sources in a prompt; default 3000. For models with a short context
  --data FILE          questions in SQuAD's format; default ../shared/data/xquad/xquad.en.json
  --questions N        default 100; half as many more have their paragraph left out
  --seed N             which questions; default 1
  --json FILE          writes the results there too`

/** What the command line says, checked. */
export interface Options {
  readonly help: boolean
  readonly model?: string
  readonly endpoint?: { readonly url: string; readonly modelId: string; readonly key?: string }
  readonly embedder?: string
  readonly budget?: number
  readonly data?: string
  readonly questions: number
  readonly seed: number
  readonly json?: string
}

/** Reads arguments. Errors: UsageError. */
export function readOptions(args: readonly string[], environment: NodeJS.ProcessEnv): Options {
  const { questions, seed, help, budget, model, endpoint, 'model-id': modelId, 'key-variable': variable, ...files } = parse(args)
  if (model !== undefined && endpoint !== undefined)
    throw new UsageError(`one model at a time: --model ${model} and --endpoint ${endpoint} were both given`)
  return {
    help,
    ...files,
    ...(model === undefined ? {} : { model }),
    ...(endpoint === undefined ? {} : { endpoint: { url: address(endpoint), modelId, ...keyIn(variable, environment) } }),
    ...(budget === undefined ? {} : { budget: integer('budget', budget, 1) }),
    questions: integer('questions', questions, 1),
    seed: integer('seed', seed, 0),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        model: { type: 'string' },
        endpoint: { type: 'string' },
        'model-id': { type: 'string', default: 'default' },
        'key-variable': { type: 'string' },
        embedder: { type: 'string' },
        budget: { type: 'string' },
        data: { type: 'string' },
        questions: { type: 'string', default: '100' },
        seed: { type: 'string', default: '1' },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function integer(name: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${name}: expected an integer of at least ${least}, got ${JSON.stringify(text)}`)
  return value
}

function address(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new UsageError(`--endpoint: expected an address such as http://localhost:8080/v1, got ${JSON.stringify(text)}`)
  return text
}

function keyIn(variable: string | undefined, environment: NodeJS.ProcessEnv): { readonly key?: string } {
  if (variable === undefined) return {}
  const key = environment[variable]
  if (key === undefined || key === '')
    throw new UsageError(`--key-variable: the environment has no variable ${variable}; set it to the server's key, or leave the option out`)
  return { key }
}
