/** Text, or a marked piece of it. */
export type MarkdownInline = string | { readonly kind: 'strong' | 'em' | 'code'; readonly text: string }

export type MarkdownBlock =
  | { readonly kind: 'paragraph' | 'heading'; readonly content: readonly MarkdownInline[] }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'list'; readonly ordered: boolean; readonly items: readonly (readonly MarkdownInline[])[] }

/**
 * The small part of Markdown that answers of a model use: paragraphs, headings, flat lists, fenced code, strong, emphasis and code. The result
 * is data, and everything in it is text: HTML, links and images stay the characters they were, so a model cannot put anything
 * into the page that shows its answer.
 */
export function parseMarkdown(source: string): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = []
  const lines = source.replaceAll('\r\n', '\n').split('\n')
  let paragraph: string[] = []
  const flush = (): void => {
    if (paragraph.length > 0) blocks.push({ kind: 'paragraph', content: inline(paragraph.join('\n')) })
    paragraph = []
  }
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const item = itemOf(line)
    if (line.startsWith('```')) {
      flush()
      const rest = lines.slice(at + 1)
      const length = rest.findIndex((one) => one.startsWith('```'))
      blocks.push({ kind: 'code', text: rest.slice(0, length < 0 ? rest.length : length).join('\n') })
      at += length < 0 ? rest.length : length + 1
    } else if (item !== undefined) {
      flush()
      const last = blocks.at(-1)
      // A list goes on only where the line before was an item of it.
      if (last?.kind === 'list' && last.ordered === item.ordered && itemOf(lines[at - 1] ?? '') !== undefined)
        blocks[blocks.length - 1] = { ...last, items: [...last.items, inline(item.text)] }
      else blocks.push({ kind: 'list', ordered: item.ordered, items: [inline(item.text)] })
    } else if (/^#{1,6} /.test(line)) {
      flush()
      blocks.push({ kind: 'heading', content: inline(line.replace(/^#+ /, '')) })
    } else if (line.trim() === '') flush()
    else paragraph.push(line)
  }
  flush()
  return blocks
}

function itemOf(line: string): { readonly ordered: boolean; readonly text: string } | undefined {
  const match = /^ {0,3}(?:[-*+]|(\d{1,9})[.)]) (.*)$/.exec(line)
  return match === null ? undefined : { ordered: match[1] !== undefined, text: match[2]! }
}

const marks: readonly (readonly ['strong' | 'em' | 'code', RegExp])[] = [
  ['code', /^`([^`\n]+)`/],
  ['strong', /^\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*/],
  ['em', /^\*(?=\S)([^*\n]+?)(?<=\S)\*/],
]

function inline(text: string): MarkdownInline[] {
  const pieces: MarkdownInline[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') pieces.push(plain)
    plain = ''
  }
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + 2000)
    const hit =
      rest[0] === '`' || rest[0] === '*'
        ? marks.map(([kind, pattern]) => ({ kind, match: pattern.exec(rest) })).find(({ match }) => match)
        : undefined
    if (hit === undefined) {
      plain += text[at]!
      at++
      continue
    }
    flush()
    pieces.push({ kind: hit.kind, text: hit.match![1]! })
    at += hit.match![0].length
  }
  flush()
  return pieces
}
