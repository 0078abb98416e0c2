/** Writes the API reference from the packages' sources and doc comments: a page for each entry point, under `site/api/` (not committed). */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application, Converter, ReflectionKind, type Context } from 'typedoc'

const root = new URL('../../../', import.meta.url)
const out = new URL('../site/api/', import.meta.url)
const path = (relative: string): string => fileURLToPath(new URL(relative, root))

const packages = ['core', 'tokenizer', 'sampling', 'tensor', 'transformer', 'rlhf', 'rag'] as const
interface Manifest {
  readonly name: string
  readonly description: string
  readonly exports: Record<string, string | { readonly '@tesserae/source'?: string }>
}

/** Every entry point by the file it stands in, and the name it is imported by. */
const entries = packages.flatMap((folder) => {
  const manifest = JSON.parse(readFileSync(path(`packages/${folder}/package.json`), 'utf8')) as Manifest
  return Object.entries(manifest.exports).flatMap(([key, target]) => {
    const source = typeof target === 'string' ? undefined : target['@tesserae/source']
    if (source === undefined) return []
    const file = `packages/${folder}/${source.slice(2)}`
    return [
      {
        file: path(file),
        module: file.replace(/(\/index)?\.ts$/, ''),
        name: `${manifest.name}${key.slice(1)}`,
        description: key === '.' ? manifest.description : undefined,
      },
    ]
  })
})

rmSync(out, { recursive: true, force: true })
const app = await Application.bootstrapWithPlugins({
  entryPoints: entries.map(({ file }) => file),
  tsconfig: path('tsconfig.base.json'),
  basePath: path('.'),
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
  out: fileURLToPath(out),
  // Names the plugins add to typedoc's own.
  ...({
    router: 'module',
    docsRoot: fileURLToPath(new URL('../site/', import.meta.url)),
    entryFileName: 'index.md',
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    expandObjects: true,
    parametersFormat: 'table',
    sidebar: { autoConfiguration: false },
  } as object),
  readme: 'none',
  name: 'Reference',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  githubPages: false,
  skipErrorChecking: true,
  logLevel: 'Error',
})

// A module is called by the path of its file; people know it by the name that they import.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context: Context) => {
  for (const module of context.project.getReflectionsByKind(ReflectionKind.Module)) {
    const entry = entries.find(({ module: given }) => given === module.name)
    if (entry !== undefined) module.name = entry.name
  }
})

const project = await app.convert()
if (project === undefined) throw new Error('typedoc could not read the packages; see its messages above')
await app.generateOutputs(project)

writeFileSync(
  new URL('index.md', out),
  `# Reference

<p class="lead">Every public name, from its doc comment in the source: shapes, units, ranges and errors included.</p>

| entry point | what it gives |
| --- | --- |
${entries.map(({ name, description }) => `| [\`${name}\`](./${name}.md) | ${description ?? 'what runs in Node alone, or is for tests'} |`).join('\n')}
`,
)
writeFileSync(
  new URL('sidebar.json', out),
  JSON.stringify(entries.map(({ name }) => ({ text: name.replace('@tesserae/', ''), link: `/api/${name}` }))),
)
