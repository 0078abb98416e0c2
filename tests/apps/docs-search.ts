/** The documentation's search, used from the keyboard alone. */
import type { Page } from 'playwright-core'

/** Opens it, finds a phrase that stands in two chapters and nowhere else, and goes there. Says what is wrong, or nothing; `look` is called while it is open. */
export async function searchProblem(page: Page, look: () => Promise<void>): Promise<string | undefined> {
  await page.keyboard.press('Control+k')
  const field = page.locator('.VPLocalSearchBox input')
  await field.waitFor({ timeout: 10_000 })
  await page.keyboard.type('grouped queries')
  const first = page.locator('.VPLocalSearchBox .result').first()
  await first.waitFor({ timeout: 10_000 })
  await look()
  await page.keyboard.press('Enter')
  try {
    await page.waitForURL(/\/learn\/(attention|kv-cache)\.html/, { timeout: 10_000 })
  } catch {
    return `Enter on the first result for "grouped queries" leads to ${page.url()}`
  }
  return undefined
}
