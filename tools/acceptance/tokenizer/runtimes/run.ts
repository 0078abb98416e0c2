import { join } from 'node:path'
import * as runtimes from '../../lib/runtimes.js'
import type { Result } from './work.js'

const workFile = join(import.meta.dirname, 'work.ts')

export const inEdgeRuntime = async (): Promise<Result> => (await runtimes.inEdgeRuntime(workFile)) as Result

export const inBareContext = async (): Promise<Result> => (await runtimes.inBareContext(workFile)) as Result

/** In a page and in a module worker of Chromium, and a batch in threads that the package starts from the page. */
export async function inChromium(executable: string): Promise<{ page: Result; worker: Result; batch: number[][]; messages: string[] }> {
  const { results, messages } = await runtimes.inChromium(executable, join(import.meta.dirname, 'page'))
  return { ...(results as { page: Result; worker: Result; batch: number[][] }), messages }
}
