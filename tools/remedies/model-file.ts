import { existsSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from './usage-error.js'

const modules = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

const advice = (what: string): string =>
  `Load it in a module of yours, as tools/remedies/testing/stories-model.ts does: \`export default languageModel(await loadModel('${what}'))\``

/** What to do with a file of weights. */
const weightsAdvice: Readonly<Record<string, string>> = {
  '.gguf': advice('FILE'),
  '.safetensors': advice('FOLDER'),
  '.bin': advice('FILE'),
}

/** What a module exports by default or under `name`, if it has `method`; `option` is the flag that named the file. Errors: UsageError. */
export async function exportedModel<Model>(
  path: string,
  { option, name, method }: { option: string; name: string; method: string },
): Promise<Model> {
  const file = resolve(path)
  if (!existsSync(file)) throw new UsageError(`${option} ${path}: there is no file ${file}`)
  const extension = extname(file).toLowerCase()
  if (!modules.includes(extension))
    throw new UsageError(
      `${option} ${path}: expected a module (${modules.join(', ')}) that exports a model as default or '${name}'. ` +
        (weightsAdvice[extension] ?? 'Write one that makes the model and exports it'),
    )
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    throw new UsageError(
      `${option} ${path}: the module failed as it was loaded: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
  for (const key of ['default', name]) {
    const value = module[key] as Record<string, unknown> | null | undefined
    if (typeof value?.[method] === 'function') return value as Model
  }
  throw new UsageError(
    `${option} ${path}: expected an object with ${method}() as default or '${name}'; the module exports ${Object.keys(module).join(', ') || 'nothing'}`,
  )
}
