// The import rule of the workspace, for dependency-cruiser.
//
//   core ← tokenizer, sampling, tensor, rag ← transformer (not rag) ← rlhf ← apps, examples, benchmarks
//
// Each package may import those named here, at runtime and for types alike.
const allowed = {
  core: [],
  tokenizer: ['core'],
  sampling: ['core'],
  tensor: ['core'],
  rag: ['core'],
  transformer: ['core', 'tensor', 'tokenizer', 'sampling'],
  rlhf: ['core', 'tensor', 'tokenizer', 'sampling', 'transformer'],
}

// Where Node may be used: `node` entry points, command lines, and what is never published.
const nodeOnly = [
  '/node/',
  '/src/node[.]ts$',
  '/src/cli/',
  '[.]test[.]ts$',
  '/__fixtures__/',
  '/testing/',
  '/bench/',
  '^packages/[^/]+/[^/]+$',
]
const tests = ['[.]test[.]ts$', '/__fixtures__/', '/testing/', '/bench/']

module.exports = {
  forbidden: [
    ...Object.entries(allowed).map(([name, others]) => ({
      name: `${name}-imports-${others.length === 0 ? 'no-package' : `only-${others.join('-')}`}`,
      comment: 'See the import rule in AGENTS.md. What two packages need belongs in the lower one.',
      severity: 'error',
      from: { path: `^packages/${name}/` },
      to: { path: '^(packages|apps|examples|benchmarks)/', pathNot: `^(packages/(${[name, ...others].join('|')})/)` },
    })),
    {
      name: 'packages-by-name',
      comment: "Another package's inside is not its interface: import it as '@tesserae/NAME'.",
      severity: 'error',
      from: { path: '^packages/([^/]+)/src/', pathNot: tests },
      to: { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'], dependencyTypesNot: ['aliased'] },
    },
    {
      name: 'node-only-in-node-entry-points',
      comment: 'Everything else runs in browsers. Put the code under src/**/node/ or src/cli/.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: nodeOnly },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-native-modules-outside-node',
      comment: 'koffi, onnxruntime-node and webgpu are native: only code under src/**/node/ loads them.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: nodeOnly },
      to: { path: 'node_modules/(koffi|onnxruntime-node|webgpu)/' },
    },
    {
      name: 'no-static-way-into-node-code',
      comment: 'A static import from common code takes Node modules into every browser bundle.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: [...nodeOnly, '/node[.]ts$'] },
      to: { path: '^packages/[^/]+/src/.*/?node/', dependencyTypesNot: ['type-only', 'dynamic-import'] },
    },
    {
      name: 'sources-do-not-import-tests',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: tests },
      to: { path: ['[.]test[.]ts$', '/__fixtures__/'] },
    },
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'resolvable', comment: 'An import that leads nowhere.', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'declared',
      comment: 'A package that package.json does not declare.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: tests },
      to: {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'],
        dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional', 'type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    // Git's ignored files are not known here, so the temporary ones of a site's build are named.
    exclude: { path: '/dist/|[.]timestamp-|^[.][a-z]|__fixtures__/.*[.]json$' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['@tesserae/source', 'import', 'node', 'types', 'default'] },
  },
}
