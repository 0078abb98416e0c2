import { defineConfig } from 'vitest/config'

// Tests run from source: packages find each other through the export condition `@tesserae/source`.
const conditions = ['@tesserae/source', 'node', 'import', 'module', 'default']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts', 'tools/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
    testTimeout: 60_000,
  },
})
