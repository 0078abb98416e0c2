import { afterAll, beforeAll } from 'vitest'
import { findChromium } from './chromium.js'
import { openWebGpuPage, type WebGpuPage } from './webgpu-page.js'

export const executable = findChromium()

/** The page of checks for all tests of a file, where there is a Chromium; each test skips itself where there is none. */
export function openedPage(): () => WebGpuPage {
  let opened: WebGpuPage | undefined
  beforeAll(async () => {
    if (executable !== undefined) opened = await openWebGpuPage(executable)
  }, 60_000)
  afterAll(async () => {
    await opened?.[Symbol.asyncDispose]()
  })
  return () => opened!
}
