import type { SourceText } from '../../worker/documents-calls.js'

/** This repository's own pages, read when they are asked for. */
const pages = import.meta.glob<string>(
  ['../../../../../packages/*/README.md', '../../../../../README.md', '../../../../../CONTRIBUTING.md'],
  {
    query: '?raw',
    import: 'default',
  },
)

export const sampleDocuments = (): Promise<SourceText[]> =>
  Promise.all(Object.entries(pages).map(async ([path, load]) => ({ id: path.replace(/^(\.\.\/)+/, ''), text: await load() })))

/** Questions that these pages answer. */
export const sampleQuestions: readonly string[] = [
  'Which Node version do I need?',
  'What does the tokenizer package do?',
  'How do I add an operation?',
  'What is top-p?',
]
