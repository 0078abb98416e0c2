/** The ranking screen in Chromium: mouse, keyboard, undo, safe rendering, accessibility. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readRankings, serveRanking, type RankingServer } from '@tesserae/rlhf/node'
import { standingRankings, toPreferences } from '@tesserae/rlhf'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findChromium, launchChromium, noChromium } from './chromium.js'

const executable = findChromium()
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script> [link](javascript:alert(1))'
const items = [
  {
    id: 'whale',
    prompt: 'What is a **whale**?',
    completions: ['A mammal that lives in the sea.', `A fish.\n\n${hostile}`, '- one\n- two\n\n```\na long line of code\n```'],
  },
  { id: 'ahab', prompt: 'Who is Ahab?', completions: ['The captain of the Pequod.', 'A *whale*.'] },
  { id: 'hello', prompt: 'Hello!', completions: ['Hello! What would you like to know?', 'Go away.'] },
]

let browser: Browser | undefined
let folder: string
let server: RankingServer
let page: Page
let messages: string[]

beforeAll(async () => {
  if (executable !== undefined) browser = await launchChromium(executable)
})
afterAll(() => browser?.close())
beforeEach(async () => {
  if (browser === undefined) return
  folder = mkdtempSync(join(tmpdir(), 'tesserae-rank-page-'))
  server = await serveRanking({ items, path: join(folder, 'rankings.jsonl'), annotator: 'ada', seed: 5 })
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  page = await context.newPage()
  messages = []
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(server.url).origin)) messages.push(`asked elsewhere: ${request.url()}`)
  })
  await page.goto(server.url)
  await page.waitForSelector('#task:not([hidden])')
})
afterEach(async () => {
  if (browser === undefined) return
  await page.context().close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The id of the item on screen. */
const shown = async (): Promise<string> => {
  const prompt = await page.textContent('#prompt')
  return items.find((item) => item.prompt.replaceAll('*', '') === prompt)!.id
}
const untilDone = (count: number) =>
  page.waitForFunction((wanted) => document.querySelector<HTMLProgressElement>('#progress')!.value === wanted, count)
const press = async (key: string, done: number): Promise<void> => {
  await page.keyboard.press(key)
  await untilDone(done)
}
const placeOf = async (text: string): Promise<number> =>
  (await page.locator('.answer .text').allTextContents()).findIndex((answer) => answer.startsWith(text))

/** Violations of WCAG A and AA that axe finds on the page as it is. */
async function violations(): Promise<string[]> {
  // Evaluated by the debugger, so that the page's policy stays as strict as it is.
  await page.evaluate(axe)
  return await page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }
    return (await run.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
}
const screenshot = async (name: string): Promise<void> => {
  const to = process.env['TESSERAE_SCREENSHOTS']
  if (to !== undefined) await page.screenshot({ path: join(to, `${name}.png`), fullPage: true })
}

describe.skipIf(executable === undefined)(executable === undefined ? `the ranking screen: ${noChromium}` : 'the ranking screen', () => {
  it('is ranked from the keyboard alone, with undo, down to the preference rows', async () => {
    const best: Record<string, string> = { whale: 'A mammal', ahab: 'The captain', hello: 'Hello!' }
    const first = await shown()
    await press(String(((await placeOf(best[first]!)) + 1) % 2 === 0 ? 1 : 2), 1) // a slip
    await press('u', 0)
    expect(await shown()).toBe(first)
    for (let done = 1; done <= 3; done++) await press(String((await placeOf(best[await shown()]!)) + 1), done)
    await page.waitForSelector('#end:not([hidden])')
    await server.finished
    expect(await page.textContent('#statistics')).toContain('Best answer by place')
    const rows = await readRankings(join(folder, 'rankings.jsonl'))
    expect(rows.map(({ type }) => type)).toEqual(['ranking', 'retraction', 'ranking', 'ranking', 'ranking'])
    const chosen = toPreferences(rows).map((pair) => pair.chosen)
    expect(new Set(chosen)).toEqual(new Set([items[0]!.completions[0], items[1]!.completions[0], items[2]!.completions[0]]))
    const download = page.waitForEvent('download')
    await page.click('#export')
    expect(
      readFileSync((await (await download).path())!, 'utf8')
        .trim()
        .split('\n'),
    ).toHaveLength(4)
    expect(messages).toEqual([])
  })

  it('takes ties, bad answers, skips and a full order', async () => {
    let done = 0
    for (const key of ['t', 'b', 's']) {
      if ((await shown()) === 'whale') {
        await page.keyboard.press('o')
        const places = [await placeOf('one'), await placeOf('A mammal'), await placeOf('A fish')]
        await page.keyboard.press(String(places[0]! + 1))
        await page
          .locator('.answer')
          .nth(places[1]!)
          .click({ position: { x: 8, y: 8 } })
        expect(await page.isDisabled('#save')).toBe(true)
        await page.keyboard.press(String(places[2]! + 1))
        await screenshot('rank-order')
        await page.click('#save')
        await untilDone(++done)
      } else await press(key, ++done)
    }
    const standing = standingRankings(await readRankings(join(folder, 'rankings.jsonl')))
    const whale = standing.find(({ id }) => id === 'whale')!
    expect(whale.choice).toEqual({ kind: 'order', ranking: [2, 0, 1] })
    expect(standing.filter(({ id }) => id !== 'whale').every(({ choice }) => ['tie', 'bad', 'skip'].includes(choice.kind))).toBe(true)
    expect(messages).toEqual([])
  })

  it('shows what a model wrote as text, whatever it wrote', async () => {
    for (let done = 1; (await shown()) !== 'whale'; done++) await press('s', done)
    const title = await page.title()
    expect(await page.locator('.answer img, .answer script, .answer a').count()).toBe(0)
    expect(await page.textContent('#answers')).toContain(hostile)
    expect(await page.textContent('#prompt strong')).toBe('whale')
    expect(await page.locator('.answer li').count()).toBe(2)
    expect(await page.title()).toBe(title)
    expect(messages).toEqual([])
  })

  it.each([
    ['light', 1440],
    ['dark', 1440],
    ['light', 375],
    ['dark', 375],
  ] as const)('has nothing that axe finds, %s at %i px, and nothing wider than the screen', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    for (let done = 1; (await shown()) !== 'whale'; done++) await press('s', done)
    expect(await violations()).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    await screenshot(`rank-${colorScheme}-${width}`)
    while (await page.isHidden('#end')) {
      const done = await page.evaluate(() => document.querySelector<HTMLProgressElement>('#progress')!.value)
      await press('1', done + 1)
    }
    await page.waitForSelector('#statistics dd')
    expect(await violations()).toEqual([])
    await screenshot(`rank-end-${colorScheme}-${width}`)
  })

  it('says when the server is gone, and goes on after a restart', async () => {
    await press('t', 1)
    await server.close()
    await page.keyboard.press('t')
    await page.waitForSelector('#message.error')
    expect(await page.textContent('#message')).toContain('does not answer')
    server = await serveRanking({ items, path: join(folder, 'rankings.jsonl'), annotator: 'ada', seed: 5 })
    await page.goto(server.url)
    await untilDone(1)
  })
})
