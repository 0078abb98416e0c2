/** Characters that stand in a rendered chat for what a template's output does not show; taken out again before anyone sees it. */
export interface Marks {
  /** Around a special token's name that a user wrote. */
  readonly userStart: string
  readonly userEnd: string
  /** Around what the assistant generates. */
  readonly generationStart: string
  readonly generationEnd: string
  /** Behind the text that is to be continued. */
  readonly here: string
}

/** Five private-use characters that `texts` do not hold. */
export function chooseMarks(texts: readonly string[]): Marks {
  const found: string[] = []
  for (let code = 0xf0000; found.length < 5; code++) {
    const mark = String.fromCodePoint(code)
    if (!texts.some((text) => text.includes(mark))) found.push(mark)
  }
  const [userStart, userEnd, generationStart, generationEnd, here] = found as [string, string, string, string, string]
  return { userStart, userEnd, generationStart, generationEnd, here }
}

/** A rendered chat without marks. Ranges are starts and ends in turn, in UTF-16 units. */
export interface Unmarked {
  readonly text: string
  readonly users: readonly number[]
  readonly generated: readonly number[]
}

export function unmark(marked: string, marks: Marks): Unmarked {
  const users: number[] = []
  const generated: number[] = []
  let text = ''
  let done = 0
  const pattern = new RegExp([marks.userStart, marks.userEnd, marks.generationStart, marks.generationEnd].join('|'), 'gu')
  for (const { 0: mark, index } of marked.matchAll(pattern)) {
    text += marked.slice(done, index)
    done = index + mark.length
    const list = mark === marks.userStart || mark === marks.userEnd ? users : generated
    const opens = mark === marks.userStart || mark === marks.generationStart
    // A template may cut a text between two marks: what is open then ends where the next one begins or the chat ends.
    if (opens === (list.length % 2 === 0)) list.push(text.length)
    else if (!opens) list.push(list.length === 0 ? 0 : list.at(-1)!, text.length)
  }
  text += marked.slice(done)
  for (const list of [users, generated]) if (list.length % 2 === 1) list.push(text.length)
  return { text, users, generated }
}

/** The text with marks around each of these names. */
export function markNames(text: string, names: RegExp | undefined, { userStart, userEnd }: Marks): string {
  return names === undefined ? text : text.replace(names, `${userStart}$&${userEnd}`)
}

/**
 * A template with its `{% generation %}` blocks written as output of marks. The statements put in their place begin and end as these do, so that white space
 * around them is treated the same.
 */
export function markGeneration(template: string, { generationStart, generationEnd }: Marks): string {
  return template.replace(/\{%(-?)\s*(end)?generation\s*(-?)%\}/g, (_, before: string, end: string | undefined, after: string) => {
    const mark = end === undefined ? generationStart : generationEnd
    return `{%${before} if true %}${mark}{% endif ${after}%}`
  })
}
