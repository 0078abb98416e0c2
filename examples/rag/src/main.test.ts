import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { askFolder, sampleFolder, sampleQuestions } from './main.js'

const scratch = mkdtempSync(join(tmpdir(), 'tesserae-example-rag-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it('answers questions from the files, with places that hold the quoted words, and says what is not there', async () => {
  const lines: string[] = []
  const { synced, answers } = await askFolder({ folder: sampleFolder, questions: sampleQuestions, log: (line) => lines.push(line) })
  expect(synced).toMatchObject({ added: 3, changed: 0, deleted: 0 })
  const [height, keeper, dogs, ferry] = answers
  expect(height!.text).toContain('38 metres')
  expect(keeper!.text).toContain('Tomas Berg')
  expect(dogs!.text).toContain('Dogs stay on the quay')
  expect(ferry!.abstained).toBe(true)
  for (const { sourceId, span, quote, verdict } of answers.flatMap(({ citations }) => citations)) {
    expect(verdict).toBe('verbatim')
    expect(readFileSync(join(sampleFolder, sourceId!), 'utf8').slice(span!.start, span!.end)).toBe(quote)
  }
  expect(lines.filter((line) => line.startsWith('= '))).toHaveLength(4)
})

it('keeps its index in a directory and follows the files', async () => {
  const folder = join(scratch, 'documents')
  const index = join(scratch, 'index')
  cpSync(sampleFolder, folder, { recursive: true })
  const questions = ['What does a ticket cost?']
  const first = await askFolder({ folder, index, questions })
  expect(first.answers[0]!.text).toContain('12 crowns')
  const visiting = join(folder, 'visiting.md')
  writeFileSync(visiting, readFileSync(visiting, 'utf8').replace('12 crowns', '15 crowns'))
  rmSync(join(folder, 'keepers'), { recursive: true })
  const second = await askFolder({ folder, index, questions })
  expect(second.synced).toMatchObject({ added: 0, changed: 1, unchanged: 1, deleted: 1 })
  expect(second.answers[0]!.text).toContain('15 crowns')
}, 120_000)
