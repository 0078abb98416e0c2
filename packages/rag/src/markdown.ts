/** `@tesserae/rag/markdown`: Markdown with its headings; needs mdast-util-from-markdown, mdast-util-gfm and micromark-extension-gfm. */
export { markdown } from './load/markdown.js'
