import { existsSync } from 'node:fs'

// Bytes that a browser downloads for a use of each package: bundled from dist, minified, compressed with brotli. Native and heavy
// optional parts are left out; what would pull them in by accident shows up as an unresolvable import or as bytes.
const optional = ['koffi', 'onnxruntime-node', 'onnxruntime-web', '@electric-sql/pglite', '@electric-sql/pglite-pgvector']
const entry = (name, path, limit, imports = '*') => ({
  name,
  path,
  import: imports,
  limit,
  ignore: optional,
  modifyEsbuildConfig: (config) => ({
    ...config,
    conditions: ['browser', 'import', 'module'],
    platform: 'browser',
    // Vocabularies are imported when they are asked for; bundlers for pages put each into a file of its own.
    external: [
      ...(config.external ?? []),
      './encodings/*_base.js',
      './encodings/gpt2.js',
      './encodings/p50k_edit.js',
      './encodings/o200k_harmony.js',
      '@huggingface/jinja',
    ],
    logOverride: { 'ignored-bare-import': 'silent' },
  }),
})

const missing = ['core', 'tokenizer', 'sampling', 'tensor', 'rag', 'transformer', 'rlhf'].filter(
  (name) => !existsSync(`packages/${name}/dist/index.js`),
)
if (missing.length > 0) throw new Error(`Not built: ${missing.join(', ')}. Run npm run build first.`)

export default [
  entry('core', 'packages/core/dist/index.js', '3 kB'),
  entry('core: errors only', 'packages/core/dist/index.js', '1 kB', '{ TesseraeError }'),
  // With the readers of every format, the tables of Unicode that they need, the trainers of every kind of model, and counts that go on from where they were.
  entry('tokenizer with every reader and trainer', 'packages/tokenizer/dist/index.js', '96 kB'),
  entry('tokenizer/encodings without a vocabulary', 'packages/tokenizer/dist/encodings.js', '15 kB', '{ createTokenizer }'),
  { name: 'tokenizer/encodings/cl100k_base', path: 'packages/tokenizer/dist/encodings/cl100k_base.js', limit: '425 kB', gzip: true },
  { name: 'tokenizer/encodings/o200k_base', path: 'packages/tokenizer/dist/encodings/o200k_base.js', limit: '995 kB', gzip: true },
  entry('sampling', 'packages/sampling/dist/index.js', '15 kB'),
  // Beside the grammars, which it takes from its caller; with the vocabulary, the chain and what chooses greedily.
  entry('sampling/adapters', 'packages/sampling/dist/adapters.js', '9.5 kB'),
  entry('sampling/json', 'packages/sampling/dist/json.js', '6 kB'),
  // With the grammars of JSON Schemas.
  entry('sampling/tools', 'packages/sampling/dist/tools.js', '40 kB'),
  entry('sampling/tools: reading only', 'packages/sampling/dist/tools.js', '8 kB', '{ toolCallParser }'),
  entry('sampling/grammar', 'packages/sampling/dist/grammar.js', '34 kB'),
  entry(
    'sampling/grammar: regular expressions alone',
    'packages/sampling/dist/grammar.js',
    '17 kB',
    '{ fromRegex, grammarStep, Vocabulary }',
  ),
  entry('sampling/lark', 'packages/sampling/dist/lark.js', '21 kB'),
  // With GGUF, read and written, other people's ONNX models, the kernels of quantised products for browsers, attention over caches in pages and in few bits, and WebGPU and its kernels, which bundlers for pages put into files that are loaded when the device is asked for.
  entry('tensor', 'packages/tensor/dist/index.js', '176 kB'),
  entry('tensor/parallel: threads alone', 'packages/tensor/dist/parallel.js', '5 kB', '{ joinThreads, threadSeats }'),
  entry('rag', 'packages/rag/dist/index.js', '30 kB'),
  // With the three parsers that it needs beside it.
  entry('rag/markdown with its parsers', 'packages/rag/dist/markdown.js', '24 kB'),
  entry('rag/pglite without PGlite', 'packages/rag/dist/pglite.js', '10 kB'),
  entry('rag/testing', 'packages/rag/dist/testing.js', '9 kB'),
  // Every family of decoders and encoders, caches in pages, grammars and calls of tools, the hub, and models elsewhere.
  entry('transformer with all below it', 'packages/transformer/dist/index.js', '366 kB'),
  entry('transformer: generate only', 'packages/transformer/dist/index.js', '190 kB', '{ createModel }'),
  entry('rlhf with what it uses of those below', 'packages/rlhf/dist/index.js', '193 kB'),
]
