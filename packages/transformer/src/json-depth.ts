/** Whether a text of JSON is nested deeper than so many levels: told before anything recursive sees it. */
export function isNestedDeeper(text: string, levels: number): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (inString) {
      if (character === 0x5c) i++
      else if (character === 0x22) inString = false
    } else if (character === 0x22) inString = true
    else if (character === 0x7b || character === 0x5b) {
      if (++depth > levels) return true
    } else if (character === 0x7d || character === 0x5d) depth--
  }
  return false
}
