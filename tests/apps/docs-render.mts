/** Renders a sample as pages and the search index do, and prints what came of it. A process of its own, for a test runner resolves VitePress's parts otherwise. */
import { createMarkdownRenderer } from 'vitepress'
import config from '../../apps/docs/site/.vitepress/config.mjs'
import { renderForSearch } from '../../apps/docs/site/.vitepress/search.mjs'

const markdown = await createMarkdownRenderer('apps/docs/site', config.markdown)
// The same object by two names of its type: VitePress's own, and that of @types/markdown-it.
const forSearch = markdown as unknown as Parameters<typeof renderForSearch>[2]
const page = (line: string): string => `# Page\n\n\`\`\`ts twoslash\nimport { trainBpe } from '@tesserae/tokenizer'\n${line}\n\`\`\`\n`
const good = page("console.log(await trainBpe(['a'], { vocabSize: 300 }))")
const index = async (source: string): Promise<string> =>
  renderForSearch(source, { path: '', relativePath: 'page.md', cleanUrls: false }, forSearch)

let refused = ''
try {
  markdown.render(page("await trainBpe(['a'], { vocabSizes: 300 })"), {})
} catch (error) {
  refused = String(error)
}
const result = {
  refused,
  indexed: await index(good),
  hidden: await index(`---\nsearch: false\n---\n${good}`),
  shown: markdown.render(good, {}),
}
process.stdout.write(JSON.stringify(result))
