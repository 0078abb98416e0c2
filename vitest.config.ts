import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tools/test/longest-first.js'

// Tests run from source: packages find each other through the export condition `@tesserae/source`.
const conditions = ['@tesserae/source', 'node', 'import', 'module', 'default']

const project = (name: string, include: string[], testTimeout = 60_000) => ({
  extends: true as const,
  test: { name, include, testTimeout },
})

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', ['packages/*/src/**/*.test.ts', 'examples/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tools/**/*.test.ts']),
      project('contracts', ['tests/contracts/**/*.test.ts']),
      project('browser', ['tests/browser/**/*.test.ts'], 120_000),
      // Works on the sites that `npm run check:apps` builds first, in Chromium.
      project('apps', ['tests/apps/**/*.test.ts'], 300_000),
      // Works on packed tarballs of the built packages, so `npm run check:consumers` builds and packs first.
      project('consumers', ['tests/consumers/**/*.test.ts'], 300_000),
    ],
  },
})
