/** JSON whose numbers stay as they are written: `JSON.parse` would round those that doubles do not have. */
export type Raw = string | readonly Raw[] | ReadonlyMap<string, Raw>

/** Reads JSON. Texts, numbers and words are kept as their own JSON, texts with as few escapes as there can be. */
export function readRaw(text: string): Raw {
  const token = /\s*("(?:[^"\\]|\\.)*"|[-+.\w]+|[[\]{}:,])/gy
  const next = (): string => {
    const found = token.exec(text)
    if (found === null) throw new SyntaxError(`No JSON at ${token.lastIndex}`)
    return found[1]!
  }
  const value = (first: string): Raw => {
    if (first === '[') {
      const items: Raw[] = []
      for (let one = next(); one !== ']'; one = next()) if (one !== ',') items.push(value(one))
      return items
    }
    if (first === '{') {
      const members = new Map<string, Raw>()
      for (let one = next(); one !== '}'; one = next()) {
        if (one === ',') continue
        next() // the colon
        members.set(JSON.parse(one) as string, value(next()))
      }
      return members
    }
    return first.startsWith('"') ? JSON.stringify(JSON.parse(first)) : first
  }
  return value(next())
}

/** Compact JSON, members in their order. */
export function writeRaw(raw: Raw): string {
  if (typeof raw === 'string') return raw
  if (raw instanceof Map)
    return `{${[...(raw as ReadonlyMap<string, Raw>)].map(([name, one]) => `${JSON.stringify(name)}:${writeRaw(one)}`).join()}}`
  return `[${(raw as readonly Raw[]).map(writeRaw).join()}]`
}
