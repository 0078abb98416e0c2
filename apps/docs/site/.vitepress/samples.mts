import type { VitePressPluginTwoslashOptions } from '@shikijs/vitepress-twoslash'
import ts from 'typescript'

type Checked = ReturnType<NonNullable<VitePressPluginTwoslashOptions['typesCache']>['read']>

// Pages are rendered for the browser, for the server and for the search index. Kept for this one build: what a sample may use changes without it.
const checked = new Map<string, Exclude<Checked, null>>()

/** Samples marked `ts twoslash` are checked against the packages' sources, as strictly as these are; one that does not check fails the build. */
export const samples: VitePressPluginTwoslashOptions = {
  explicitTrigger: true,
  typesCache: { read: (code) => checked.get(code) ?? null, write: (code, data) => void checked.set(code, data) },
  twoslashOptions: {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      customConditions: ['@tesserae/source'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
      types: ['node', '@webgpu/types'],
    },
  },
}
