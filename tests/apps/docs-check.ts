/** A visit to the documentation: every page in Chromium, its console, axe's opinion, its experiments used once, and pictures to look at. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import { searchProblem } from './docs-search.js'

export interface PageReport {
  readonly path: string
  /** Errors and warnings of the console, failed requests and uncaught errors. */
  readonly messages: readonly string[]
  /** What axe-core found, light and dark, one line each. */
  readonly violations: readonly string[]
  /** Elements wider than the page at 375 px. */
  readonly overflowing: readonly string[]
  /** What is wrong with the search; looked for on the first page alone. */
  readonly search?: string
  /** What the page's experiment gave; undefined on pages without one. */
  readonly experiment?: { readonly name: string; readonly problem: string | undefined }
}

export interface DocsCheckOptions {
  readonly browser: Browser
  /** Where the site is served, without a slash at the end. */
  readonly origin: string
  /** Folder for pictures of every page at 375 and 1440 px; none are taken without it. */
  readonly pictures?: string
  /** Only these pages; default all. */
  readonly paths?: readonly string[]
}

/** Says what is wrong with an experiment after using it once, or nothing. */
type Use = (lab: Locator, page: Page) => Promise<string | undefined>

const figure = async (lab: Locator, name: string): Promise<string> =>
  (await lab.locator(`[data-figure="${name}"]`).first().innerText()).trim()
const appears = (lab: Locator, name: string, timeout = 60_000): Promise<void> =>
  lab.locator(`[data-figure="${name}"]`).first().waitFor({ timeout })

/** Waits until `read` gives something that `good` accepts. */
async function until<T>(read: () => Promise<T>, good: (value: T) => boolean, what: string, timeout = 60_000): Promise<T> {
  const end = Date.now() + timeout
  for (;;) {
    const value = await read()
    if (good(value)) return value
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)} after ${timeout / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const slide = async (lab: Locator, index: number, value: number): Promise<void> =>
  lab.locator('input[type="range"]').nth(index).fill(String(value))

const experiments: Readonly<Record<string, Use>> = {
  tokenization: async (lab) => {
    await appears(lab, 'tokens')
    await lab.getByLabel('Corpus').fill('aaaa aaaa aaaa bbbb bbbb')
    await lab.getByLabel('Text to cut').fill('aaaa')
    // With nothing but bytes four tokens; once `aa` and `aaaa` are merged, one.
    await slide(lab, 0, 256)
    await until(
      () => figure(lab, 'tokens'),
      (count) => count === '4',
      'bytes alone',
    )
    await slide(lab, 0, 300)
    await until(
      () => figure(lab, 'tokens'),
      (count) => count === '1',
      'merged',
    )
    const bytes = await figure(lab, 'bytes')
    return bytes === '61 61 61 61' ? undefined : `the token's bytes are ${bytes}`
  },
  embeddings: async (lab) => {
    await appears(lab, 'answer')
    const words = await lab.locator('.bars tbody th').allInnerTexts()
    if (!words.slice(0, 3).includes('queen')) return `king − man + woman gives ${words.join(', ')}`
    await lab.getByLabel('from').fill('notawordatall')
    const message = await lab.getByRole('alert').innerText()
    return message.includes('notawordatall') ? undefined : `an unknown word gives ${message}`
  },
  attention: async (lab) => {
    await appears(lab, 'total')
    for (const layer of [0, 2]) {
      await slide(lab, 0, layer)
      const total = await figure(lab, 'total')
      if (total !== '1.000') return `a row of layer ${layer + 1} sums to ${total}`
    }
    await slide(lab, 2, 0)
    // The first token has only itself to look at.
    const first = await lab.locator('.looked .tile-id').first().innerText()
    return first === '100 %' ? undefined : `the first token looks at itself by ${first}`
  },
  'pre-training': async (lab) => {
    await slide(lab, 0, 16)
    await slide(lab, 1, 1)
    await slide(lab, 2, 80)
    await lab.getByRole('button', { name: 'Train', exact: true }).click()
    await appears(lab, 'step')
    await until(
      async () => Number(await figure(lab, 'step')),
      (step) => step >= 5,
      'steps',
    )
    await lab.getByRole('button', { name: 'Pause' }).click()
    await appears(lab, 'written')
    const paused = Number(await figure(lab, 'step'))
    await lab.getByRole('button', { name: 'Go on' }).click()
    await until(
      async () => Number(await figure(lab, 'step')),
      (step) => step === 80,
      'all steps',
    )
    await appears(lab, 'written')
    const loss = Number(await figure(lab, 'loss'))
    if (paused >= 80) return 'it could not be paused before it was done'
    // Guessing evenly among 320 tokens would be ln 320 = 5.77.
    return loss < 4.8 ? undefined : `the loss is ${loss} after 80 steps`
  },
  alignment: async (lab) => {
    const probabilities = async (): Promise<number[]> =>
      (await lab.locator('[data-figure="probability"]').allInnerTexts()).map((text) => Number.parseFloat(text))
    const preferred = await lab.locator('.choice').first().innerText()
    await lab.locator('.choice').first().click()
    await lab.getByRole('button', { name: /^Train on/ }).click()
    await until(
      () => figure(lab, 'steps'),
      (steps) => steps === '40',
      'training',
    )
    const answers = await lab.locator('.bars tbody th').allInnerTexts()
    const after = await probabilities()
    await lab.locator('.chart').nth(1).waitFor()
    return after[answers.indexOf(preferred)]! > 25 ? undefined : `the preferred answer has ${after[answers.indexOf(preferred)]} %`
  },
  inference: async (lab) => {
    await appears(lab, 'kept')
    await slide(lab, 1, 7)
    if ((await figure(lab, 'kept')) !== '7') return `top-k 7 keeps ${await figure(lab, 'kept')}`
    await slide(lab, 0, 0)
    if ((await figure(lab, 'kept')) !== '1') return `temperature 0 keeps ${await figure(lab, 'kept')}`
    const text = lab.getByLabel('Text so far')
    const before = await text.inputValue()
    await lab.getByRole('button', { name: 'Append it' }).click()
    await until(
      () => text.inputValue(),
      (now) => now.length > before.length && now.startsWith(before),
      'appending',
    )
    return undefined
  },
  'kv-cache': async (lab) => {
    await slide(lab, 0, 30)
    await lab.getByRole('button', { name: 'Generate twice' }).click()
    await appears(lab, 'verdict', 90_000)
    const verdict = await figure(lab, 'verdict')
    const [cached, recomputed] = (await lab.locator('[data-figure="positions"]').allInnerTexts()).map((text) =>
      Number(text.replaceAll(',', '')),
    )
    if (!verdict.startsWith('Both wrote the same tokens')) return verdict
    return recomputed! > 5 * cached! ? undefined : `${cached} positions with the cache and ${recomputed} without`
  },
  hallucination: async (lab) => {
    const ask = async (question: string): Promise<string> => {
      await lab.getByLabel('Question').fill(question)
      await lab.getByRole('button', { name: 'Ask', exact: true }).click()
      await lab.locator(`[data-figure="answer"][data-question=${JSON.stringify(question)}]`).waitFor()
      return figure(lab, 'answer')
    }
    const lit = await ask('When was the lighthouse first lit?')
    if (!lit.includes('1871')) return `asked when it was lit: ${lit}`
    const quote = await lab.locator('mark').first().innerText()
    if (!quote.includes('1871')) return `the cited words are ${quote}`
    const unknown = await ask('Which painter exhibited watercolours in Vienna?')
    return /not found/i.test(unknown) ? undefined : `asked what is not there: ${unknown}`
  },
  'scaling-laws': async (lab) => {
    await slide(lab, 0, 23.8)
    const loss = async (): Promise<number> => Number(await figure(lab, 'loss'))
    const best = await loss()
    await slide(lab, 1, 1)
    const away = await loss()
    if (!(away > best)) return `the loss is ${best} at the best size and ${away} at ten times that`
    await slide(lab, 1, 0)
    await slide(lab, 0, 20)
    return (await loss()) > best ? undefined : 'a thousandth of the budget gives no higher loss'
  },
}

export const docsPages: readonly string[] = [
  '/',
  '/install.html',
  '/quickstart.html',
  ...['run-a-model', 'fewer-bits', 'serving', 'search', 'add-an-architecture'].map((name) => `/guides/${name}.html`),
  ...Object.keys(experiments).map((name) => `/learn/${name}.html`),
  '/api/index.html',
  '/api/@tesserae/sampling.html',
]

/** Made by the same program as the one above, and so long that axe takes half a minute for each. */
export const longPages: readonly string[] = ['tokenizer', 'transformer', 'rlhf'].map((name) => `/api/@tesserae/${name}.html`)

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly help: string
    readonly nodes: readonly { readonly target: readonly unknown[]; readonly any: readonly { readonly message: string }[] }[]
  }[]
}

async function axe(page: Page, mode: string): Promise<string[]> {
  await page.evaluate(axeSource)
  const { violations } = (await page.evaluate(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })`,
  )) as AxeResult
  return violations.flatMap(({ id, help, nodes }) =>
    nodes
      .slice(0, 4)
      .map(({ target, any }) => `${mode}: ${id}: ${help}: ${String(target[0])}${any[0] === undefined ? '' : ` (${any[0].message})`}`),
  )
}

/** Visits every page at 1440 px, uses what is on it, then looks at it at 375 px. Reports; nothing is thrown but what the browser itself throws. */
export async function checkDocs({ browser, origin, pictures, paths = docsPages }: DocsCheckOptions): Promise<PageReport[]> {
  const reports: PageReport[] = []
  for (const path of paths) reports.push(await visit(browser, origin, path, pictures))
  return reports
}

async function visit(browser: Browser, origin: string, path: string, pictures: string | undefined): Promise<PageReport> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, reducedMotion: 'reduce' })
  const page = await context.newPage()
  const messages: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) messages.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
  page.on('response', (response) => {
    if (response.status() >= 400) messages.push(`${response.status()}: ${response.url()}`)
  })
  try {
    await page.goto(`${origin}${path}`, { waitUntil: 'networkidle' })
    const picture = async (name: string): Promise<void> => {
      if (pictures === undefined) return
      const file = `${path === '/' ? 'home' : path.replace(/^\/|\.html$/g, '').replaceAll(/[/@]/g, '-')}-${name}.png`
      await page.evaluate(() => scrollTo(0, 0)) // else the bar at the top stands in the middle
      await page.screenshot({ path: join(pictures, file), fullPage: true })
    }
    const lab = page.locator('[data-lab]')
    let experiment: PageReport['experiment']
    if ((await lab.count()) > 0) {
      const name = (await lab.getAttribute('data-lab'))!
      const problem = await experiments[name]!(lab, page).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      )
      experiment = { name, problem }
    }
    const violations = await axe(page, 'light')
    await picture('1440')
    await page.evaluate(() => document.documentElement.classList.add('dark'))
    violations.push(...(await axe(page, 'dark')))
    await picture('1440-dark')
    await page.evaluate(() => document.documentElement.classList.remove('dark'))
    await page.setViewportSize({ width: 375, height: 800 })
    const overflowing = await page.evaluate(() =>
      document.documentElement.scrollWidth <= 375
        ? []
        : [...document.querySelectorAll('main *, .VPContent *')]
            .filter((element) => element.getBoundingClientRect().right > 376)
            .slice(0, 5)
            .map((element) => `${element.tagName.toLowerCase()}.${element.className}`),
    )
    await picture('375')
    await page.evaluate(() => document.documentElement.classList.add('dark'))
    await picture('375-dark')
    await page.evaluate(() => document.documentElement.classList.remove('dark'))
    let search: string | undefined
    if (path === '/') {
      await page.setViewportSize({ width: 1440, height: 1000 })
      // Without axe: the list is VitePress's own, links in options, which axe rejects.
      search = await searchProblem(page, () => picture('search')).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      )
    }
    const found = { ...(search === undefined ? {} : { search }), ...(experiment === undefined ? {} : { experiment }) }
    return { path, messages, violations, overflowing, ...found }
  } finally {
    await context.close()
  }
}

/** What is wrong, one line each; nothing when all is well. */
export const problemsOf = (reports: readonly PageReport[]): string[] =>
  reports.flatMap(({ path, messages, violations, overflowing, search, experiment }) => [
    ...messages.map((message) => `${path}: console: ${message}`),
    ...violations.map((violation) => `${path}: axe: ${violation}`),
    ...overflowing.map((element) => `${path}: wider than 375 px: ${element}`),
    ...(search === undefined ? [] : [`${path}: search: ${search}`]),
    ...(experiment?.problem === undefined ? [] : [`${path}: ${experiment.name}: ${experiment.problem}`]),
  ])
