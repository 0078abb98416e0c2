import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'
import type { Document, Heading, Span } from '../document.js'

/** What the syntax tree's nodes have in common, as far as it is read here. */
interface Node {
  readonly type: string
  readonly depth?: number
  readonly value?: string
  readonly alt?: string | null | undefined
  readonly children?: readonly Node[]
  readonly position?:
    | { readonly start: { readonly offset?: number | undefined }; readonly end: { readonly offset?: number | undefined } }
    | undefined
}

/**
 * A Markdown document (CommonMark with GitHub's tables, footnotes, task lists and autolinks) with its headings and blocks. The text stays as it
 * is written, so that spans point into the file. The title, unless given, is that of the front matter, else the first heading of depth 1.
 *
 * @example
 * await rag.sync([markdown({ id: 'guide', text: '# Guide\n\n## Install\n\nRun it.' })])
 */
export function markdown(document: Document): Document {
  const { text } = document
  const front = /^---[ \t]*\r?\n(?:([\s\S]*?)\r?\n)?---[ \t]*(?:\r?\n|$)/.exec(text)
  // A front matter would be read as a rule and a heading; blanks in its place keep every offset.
  const body = front === null ? text : front[0].replace(/[^\r\n]/g, ' ') + text.slice(front[0].length)
  const tree: Node = fromMarkdown(body, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] })
  const headings: Heading[] = []
  const blocks: Span[] = front === null ? [] : [{ start: 0, end: front[0].length }]
  for (const node of tree.children ?? []) {
    if (node.type === 'heading') headings.push({ ...spanOf(node), depth: node.depth ?? 1, text: textOf(node).replace(/\s+/g, ' ').trim() })
    // A list is rarely one thought, its items are.
    if (node.type === 'list') blocks.push(...(node.children ?? []).map(spanOf))
    else blocks.push(spanOf(node))
  }
  const title = document.title ?? titleOf(front?.[1]) ?? headings.find(({ depth }) => depth === 1)?.text
  return { ...document, ...(title === undefined || title === '' ? {} : { title }), structure: { headings, blocks } }
}

/** The title line of a front matter, without quotes. */
function titleOf(front: string | undefined): string | undefined {
  const value = front === undefined ? undefined : /^title:[ \t]*(.+?)[ \t]*$/m.exec(front)?.[1]
  return value?.replace(/^(["'])(.*)\1$/, '$2')
}

function spanOf({ position }: Node): Span {
  return { start: position?.start.offset ?? 0, end: position?.end.offset ?? 0 }
}

function textOf(node: Node): string {
  if (node.type === 'html') return ''
  if (node.type === 'break') return ' '
  return node.value ?? node.alt ?? (node.children ?? []).map(textOf).join('')
}
