/** `serve`: a model behind OpenAI's interface, from the command line. */
import type { parseArgs, ParseArgsConfig } from 'node:util'
import type { CacheType } from '../cache/cache-type.js'
import { loadEmbedder } from '../encoders/node/load.js'
import { counted } from '../errors.js'
import { embeddingModel } from '../models/embedding.js'
import type { ServeLimits } from '../serve/node/limits.js'
import { serve } from '../serve/node/server.js'
import { argumentsOf, checkTemplate, countOf, fail, fileOf, numberOf } from './output.js'
import { workerModel, type WorkerModelOptions } from '../worker/node/worker-model.js'

const usage = `Usage: npx @tesserae/transformer serve MODEL [options]

  MODEL                  path of a folder or a .gguf file, an address, or hf:owner/name

  --port N               default 8000; 0 for any that is free
  --host ADDRESS         default 127.0.0.1: this machine alone
  --id NAME              what clients call the model; default its name
  --template FILE        a chat template (Jinja) in place of the model's own
  --embed FOLDER         a checkpoint of an embedder, for /v1/embeddings; may be given several times
  --workers N            copies of the model, each in a thread; default 1
  --restarts N           times in a row that a worker is started again which died; default 5
  --context N            tokens of a prompt and its answer together
  --device NAME          auto, cpu, webgpu or cuda; default auto
  --dtype NAME           what matrices are kept in: auto, f32, f16, bf16, q8 or q4; default auto
  --activations NAME     what those of few bits are multiplied by: rounded, or f32 for exact answers on a CPU
  --cache-type NAME      what keys and values are kept in: f32, f16, q8 or q4; default f32
  --cache-blocks N       most blocks of keys and values of all answers together, where a graphics card keeps them in pages; default as many as are asked for
  --block-size N         tokens of such a block; default 16
  --concurrency N        answers made at a time; default 8
  --queue N              answers in line before 429; default 64
  --max-tokens N         most tokens of an answer; default as many as there is room for
  --request-seconds N    most seconds of a request; default 600
  --shutdown-seconds N   seconds that answers get when the server is told to end; default 30
  --body-bytes N         most bytes of a request; default 4194304
  --cors ORIGIN          pages that may ask, or '*'; may be given several times
  --quiet                does not tell of requests
  --help

Keys that clients have to send are taken from the environment, where other users of the machine do not see them: TESSERAE_API_KEYS=one,two
SIGTERM and SIGINT let answers end; a second one does not.
`

const options = {
  port: { type: 'string' },
  host: { type: 'string' },
  id: { type: 'string' },
  template: { type: 'string' },
  embed: { type: 'string', multiple: true },
  workers: { type: 'string' },
  restarts: { type: 'string' },
  context: { type: 'string' },
  'cache-type': { type: 'string' },
  'cache-blocks': { type: 'string' },
  'block-size': { type: 'string' },
  device: { type: 'string' },
  dtype: { type: 'string' },
  activations: { type: 'string' },
  concurrency: { type: 'string' },
  queue: { type: 'string' },
  'max-tokens': { type: 'string' },
  'request-seconds': { type: 'string' },
  'shutdown-seconds': { type: 'string' },
  'body-bytes': { type: 'string' },
  cors: { type: 'string', multiple: true },
  quiet: { type: 'boolean' },
} as const satisfies NonNullable<ParseArgsConfig['options']>

export interface ServeCommandContext {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Ends the server, beside the signals of the process. */
  readonly signal?: AbortSignal
  readonly worker?: Pick<WorkerModelOptions, 'script' | 'execArgv'>
}

/** Runs until the server has ended. Gives the exit code: 0, 1 for what went wrong, 2 for arguments that are none. */
export async function serveCommand(args: readonly string[], context: ServeCommandContext): Promise<number> {
  try {
    const given = argumentsOf(args, { usage, options, names: ['MODEL'], print: context.out })
    if (given !== undefined) await run(given.positionals[0]!, given.values, context)
    return 0
  } catch (error) {
    return fail(error, context.err)
  }
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>['values']

async function run(source: string, values: Values, { out, err, env, signal, worker }: ServeCommandContext): Promise<void> {
  const count = (name: keyof Values, least: number, most?: number): number | undefined =>
    countOf(name, values[name] as string | undefined, least, most)
  const number = (name: keyof Values): number | undefined => numberOf(name, values[name] as string | undefined)
  // All that can be refused is refused before the model is read.
  const port = count('port', 0, 65_535)
  const limits = given<ServeLimits>({
    concurrency: count('concurrency', 1),
    queue: count('queue', 0),
    maxTokens: count('max-tokens', 1),
    requestSeconds: number('request-seconds'),
    shutdownSeconds: number('shutdown-seconds'),
    bodyBytes: count('body-bytes', 1),
  })
  const apiKeys = (env['TESSERAE_API_KEYS'] ?? '').split(',').filter((key) => key.trim() !== '')
  const restarts = count('restarts', 0)
  const began = performance.now()
  const lm = await workerModel(source, {
    ...worker,
    ...(restarts === undefined ? {} : { restart: { limit: restarts } }),
    onWorker: (event) => err(`worker ${event.worker}: ${event.type === 'started' ? 'is started again' : event.error.message}\n`),
    ...given<WorkerModelOptions>({
      id: values.id,
      chatTemplate: values.template === undefined ? undefined : await fileOf('template', values.template),
      workers: count('workers', 1),
      context: count('context', 1),
      device: values.device as NonNullable<WorkerModelOptions['device']> | undefined,
      dtype: values.dtype as NonNullable<WorkerModelOptions['dtype']> | undefined,
      activations: values.activations as WorkerModelOptions['activations'],
      cacheType: values['cache-type'] as CacheType | undefined,
      cacheBlocks: count('cache-blocks', 1),
      blockSize: count('block-size', 1),
      maxStreams: limits.concurrency,
      signal,
    }),
  })
  if (values.template !== undefined) await checkTemplate(lm)
  try {
    const embedders = await Promise.all((values.embed ?? []).map(async (folder) => [nameOf(folder), await loadEmbedder(folder)] as const))
    const server = await serve(
      {
        models: { [lm.info.id]: lm },
        embeddings: Object.fromEntries(embedders.map(([name, embedder]) => [name, embeddingModel(embedder, { modelId: name })])),
      },
      {
        limits,
        handleSignals: true,
        onError: (error, { id }) => err(`${id} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`),
        ...given({
          port,
          host: values.host,
          apiKeys: apiKeys.length === 0 ? undefined : apiKeys,
          cors: values.cors?.includes('*') === true ? ('*' as const) : values.cors,
          signal,
        }),
        ...(values.quiet === true
          ? {}
          : {
              onRequest: ({ method, path, status, seconds, completionTokens }) =>
                err(
                  `${method} ${path} ${status} ${seconds.toFixed(3)} s${completionTokens === undefined ? '' : ` ${counted(completionTokens, 'token')}`}\n`,
                ),
            }),
      },
    )
    out(
      `${[lm.info.id, ...embedders.map(([name]) => name)].join(', ')} at ${server.url}/v1 after ${((performance.now() - began) / 1000).toFixed(1)} s, ${apiKeys.length === 0 ? 'without a key' : `for ${apiKeys.length} keys`}\n`,
    )
    await server.closed
    for (const [, embedder] of embedders) embedder.dispose()
  } finally {
    await lm.dispose()
  }
}

const nameOf = (folder: string): string =>
  folder
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!

/** Without what was not given. */
const given = <T extends object>(values: { readonly [K in keyof T]?: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>
