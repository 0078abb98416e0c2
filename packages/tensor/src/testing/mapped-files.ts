import { readFileSync } from 'node:fs'

/** Mappings of files of this process whose paths match, and what of them is in its memory. Linux alone tells. */
export function mappedFiles(path: RegExp): { readonly count: number; readonly kilobytes: number } {
  const parts = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
  const files = parts.filter((part) => path.test(part.split('\n', 1)[0]!))
  return { count: files.length, kilobytes: files.reduce((sum, part) => sum + Number(/^Rss:\s+(\d+) kB$/m.exec(part)![1]), 0) }
}
