/** A group of a page's workers, in Chromium. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { buildPage } from './build-page.js'
import { findChromium, launchChromium, noChromium } from './chromium.js'
import { serveFolders } from './server.js'
import type { RunThreadsOfPage } from './threads/main.js'

it('workers of a page add up to the same bits, and are told at the deadline of one that was ended', async ({ skip }) => {
  const executable = findChromium()
  skip(executable === undefined, noChromium)
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-threads-'))
  await buildPage(folder, new URL('./threads', import.meta.url))
  const browser = await launchChromium(executable!)
  await using server = await serveFolders({ folders: { '/': folder }, isolated: true })
  try {
    const page = await browser.newPage()
    await page.goto(server.origin)
    await page.waitForFunction(() => 'runThreads' in globalThis)
    const run = (size: number, lost?: number): ReturnType<RunThreadsOfPage> =>
      page.evaluate(([n, gone]) => (globalThis as unknown as { runThreads: RunThreadsOfPage }).runThreads(n!, gone), [size, lost] as const)
    const { sums, ends } = await run(3)
    expect(ends).toEqual(['closed', 'closed', 'closed'])
    expect(sums[0]![1]).toBeCloseTo(Math.sin(1) * (1 / 3 + 1 / 4 + 1 / 5), 6)
    expect([sums[1], sums[2]]).toEqual([sums[0], sums[0]])
    const broken = await run(3, 1)
    expect(broken.sums).toEqual(sums)
    for (const rank of [0, 2])
      expect(broken.ends[rank]).toMatch(/^PEER: call 2, barrier: rank 1 \(last seen at call 1\) did not come within 5 s/)
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
