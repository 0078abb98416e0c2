/** Order of strings by code points, which is that of their UTF-8 bytes and of SQL's collation "C"; JavaScript's own is by UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates (code points from 2^16 on) come after everything else.
    const high = (unit: number) => unit >= 0xd800 && unit < 0xe000
    return high(x) === high(y) ? x - y : high(x) ? 1 : -1
  }
  return a.length - b.length
}
