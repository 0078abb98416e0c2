/**
 * Pages of 2 MiB for weights that ONNX Runtime packed. A step of decoding reads all of them once, and with pages of 4 KiB looks up where each lies: a tenth of its time, more in a virtual machine. Where packed weights
 * lie only ONNX Runtime knows, so what is gathered is memory that became full while a session was made.
 */
import { readFileSync } from 'node:fs'
import { pageBytes, PageTable, type PageEntries } from '../../../io/node/pagemap.js'
import type { Koffi, NativeFunction } from './ffi.js'

const hugeBytes = 1 << 21
const pagesEach = hugeBytes / pageBytes
/** Of the pages of a window these are there at least: the others would be filled in. */
const leastPages = pagesEach - pagesEach / 16
/** Since Linux 6.1; refused by older ones. */
const MADV_COLLAPSE = 25
/** Windows that one call gathers, which nothing can break off: a few milliseconds each. */
const windowsEach = 8

let advise: NativeFunction | null | undefined

/**
 * Begins to watch; the function that it gives gathers the pages of what is there by then and was not before, and says how many windows were gathered. None of it changes a byte, so memory may be in use meanwhile, or be given back. Elsewhere than on
 * Linux nothing happens.
 */
export function watchPages(koffi: Koffi): () => Promise<number> {
  const call = (advise ??= find(koffi))
  if (call === null) return () => Promise.resolve(0)
  const before = new Set(fullWindows())
  return async () => {
    let gathered = 0
    for (const { start, count } of runsOf(fullWindows().filter((window) => !before.has(window)))) {
      const done = await new Promise<boolean>((resolve) =>
        call.async(start, count * hugeBytes, MADV_COLLAPSE, (error, result) => resolve((error ?? undefined) === undefined && result === 0)),
      )
      if (done) gathered += count
    }
    return gathered
  }
}

const SC_PAGESIZE = 30

function find(koffi: Koffi): NativeFunction | null {
  if (process.platform !== 'linux') return null
  try {
    const library = koffi.load(null)
    if (library.func('sysconf', 'long', ['int'])(SC_PAGESIZE) !== pageBytes) return null // of other pages others are huge
    return library.func('madvise', 'int', ['size_t', 'size_t', 'int']) as unknown as NativeFunction
  } catch {
    return null
  }
}

/** Addresses of the process's own memory in whole windows of 2 MiB of which almost all pages are there. */
function fullWindows(): readonly number[] {
  const windows: number[] = []
  try {
    using table = new PageTable()
    for (const [from, to] of anonymousRanges()) {
      const end = Math.floor(to / hugeBytes) * hugeBytes
      for (let at = Math.ceil(from / hugeBytes) * hugeBytes; at < end;) {
        const entries = table.read(at, end)
        const whole = Math.floor(entries.count / pagesEach)
        if (whole === 0) return windows
        for (let i = 0; i < whole; i++) if (presentPages(entries, i) >= leastPages) windows.push(at + i * hugeBytes)
        at += whole * hugeBytes
      }
    }
  } catch {
    // No such files here.
  }
  return windows
}

function presentPages(entries: PageEntries, window: number): number {
  let present = 0
  for (let page = window * pagesEach; page < (window + 1) * pagesEach; page++) if (entries.isPresent(page)) present++
  return present
}

/** Memory that belongs to no file and may be written to. */
function anonymousRanges(): readonly (readonly [from: number, to: number])[] {
  const ranges: [number, number][] = []
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *(?:\[heap\])?$/.exec(line)
    if (match !== null) ranges.push([Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)])
  }
  return ranges
}

/** Windows beside each other, as many as one call takes. */
function runsOf(windows: readonly number[]): readonly { readonly start: number; readonly count: number }[] {
  const runs: { start: number; count: number }[] = []
  for (const window of windows) {
    const last = runs.at(-1)
    if (last !== undefined && last.count < windowsEach && last.start + last.count * hugeBytes === window) last.count++
    else runs.push({ start: window, count: 1 })
  }
  return runs
}
