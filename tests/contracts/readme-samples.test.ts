/** Every ```ts block of every README is a module that type-checks against the sources, so samples cannot go stale. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

interface Sample {
  readonly file: string
  readonly line: number
  readonly code: string
}

function samplesOf(readme: string): Sample[] {
  const lines = readFileSync(readme, 'utf8').split('\n')
  const samples: Sample[] = []
  let start = -1
  lines.forEach((text, i) => {
    if (start < 0 && /^```(ts|typescript)\s*$/.test(text)) start = i + 1
    else if (start >= 0 && text.startsWith('```')) {
      // The virtual file lies beside the README, so that imports resolve as in that package.
      samples.push({
        file: join(dirname(readme), `__readme_line_${start}.ts`),
        line: start,
        code: `${lines.slice(start, i).join('\n')}\nexport {}\n`,
      })
      start = -1
    }
  })
  return samples
}

const readmes = ['README.md', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`)].filter((path) =>
  existsSync(join(root, path)),
)

/** What is wrong with the samples, by file. One program for all, so that each source is read and checked once. */
function check(samples: readonly Sample[]): Map<string, string[]> {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), (path) => readFileSync(path, 'utf8')) as {
    config: { compilerOptions: object }
  }
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const byFile = new Map(samples.map((sample) => [sample.file, sample]))
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (path) => byFile.has(path) || fileExists.call(host, path)
  host.readFile = (path) => byFile.get(path)?.code ?? readFile.call(host, path)
  host.getSourceFile = (path, version, ...rest) => {
    const sample = byFile.get(path)
    return sample === undefined ? getSourceFile.call(host, path, version, ...rest) : ts.createSourceFile(path, sample.code, version, true)
  }
  const program = ts.createProgram([...byFile.keys()], options, host)
  return new Map(
    [...byFile].map(([path, sample]) => [
      path,
      ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map((diagnostic) => {
        const at =
          diagnostic.file === undefined || diagnostic.start === undefined
            ? 0
            : diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start).line
        return `line ${sample.line + at + 1}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`
      }),
    ]),
  )
}

const samples = new Map(readmes.map((path) => [path, samplesOf(join(root, path))]))
let found: Map<string, string[]>
beforeAll(() => {
  found = check([...samples.values()].flat())
}, 120_000)

describe.each(readmes)('%s', (path) => {
  it('has samples that type-check', () => {
    expect(samples.get(path)!.flatMap(({ file }) => found.get(file) ?? [`${file} was not checked`])).toEqual([])
  })
})
