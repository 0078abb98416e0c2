/** Samples of the documentation are checked where pages are made, and read as plain text where the search index is made. */
import { createMarkdownRenderer } from 'vitepress'
import { expect, it } from 'vitest'
import config from '../../apps/docs/site/.vitepress/config.mjs'
import { renderForSearch } from '../../apps/docs/site/.vitepress/search.mjs'

const markdown = await createMarkdownRenderer('apps/docs/site', config.markdown)
// The same object by two names of its type: VitePress's own, and that of @types/markdown-it.
const forSearch = markdown as unknown as Parameters<typeof renderForSearch>[2]
const page = (line: string): string => `# Page\n\n\`\`\`ts twoslash\nimport { trainBpe } from '@tesserae/tokenizer'\n${line}\n\`\`\`\n`
const good = page("console.log(await trainBpe(['a'], { vocabSize: 300 }))")

it('a sample that does not compile fails its page', () => {
  expect(() => markdown.render(page("await trainBpe(['a'], { vocabSizes: 300 })"), {})).toThrow(/'vocabSizes' does not exist/)
})

it('the search index has the words of a sample and not the types it shows on hover; pages keep theirs', async () => {
  const env = { path: '', relativePath: 'page.md', cleanUrls: false }
  const indexed = await renderForSearch(good, env, forSearch)
  expect(indexed).toContain('await trainBpe(')
  expect(indexed).not.toContain('twoslash')
  expect(markdown.render(good, {})).toContain('twoslash-popup')
})

it('a page can stay out of the search', async () => {
  expect(
    await renderForSearch(`---\nsearch: false\n---\n${good}`, { path: '', relativePath: 'page.md', cleanUrls: false }, forSearch),
  ).toBe('')
})
