import { configDefaults, defineConfig } from 'vitest/config'
import { LongestFirst } from './tools/test/longest-first.js'

// Tests run from source: packages find each other through the export condition `@tesserae/source`.
const conditions = ['@tesserae/source', 'node', 'import', 'module', 'default']

const project = (name: string, include: string[], testTimeout = 60_000) => ({
  extends: true as const,
  test: { name, include, testTimeout, hookTimeout: testTimeout },
})

/** They look at what a whole process holds, so each has one of its own. */
const alone = ['packages/tensor/src/debug/leaks.test.ts', 'packages/tensor/src/transform/checkpoint-memory.test.ts']

/** Files of one worker share their modules, which saves a third of the time; `setup.ts` puts back what a file may have changed. */
const shared = (name: string, include: string[]) => {
  const { test, ...rest } = project(name, include)
  return {
    ...rest,
    test: { ...test, exclude: [...configDefaults.exclude, ...alone], isolate: false, setupFiles: ['./tools/test/setup.ts'] },
  }
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    projects: [
      shared('unit', ['packages/*/src/**/*.test.ts', 'examples/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tools/**/*.test.ts']),
      shared('contracts', ['tests/contracts/**/*.test.ts']),
      project('alone', alone),
      project('browser', ['tests/browser/**/*.test.ts'], 120_000),
      // Works on the sites that `npm run check:apps` builds first, in Chromium.
      project('apps', ['tests/apps/**/*.test.ts'], 300_000),
      // Works on packed tarballs of the built packages, so `npm run check:consumers` builds and packs first.
      project('consumers', ['tests/consumers/**/*.test.ts'], 300_000),
    ],
  },
})
