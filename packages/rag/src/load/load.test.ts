import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recursive } from '../chunk/recursive.js'
import type { Document } from '../document.js'
import { globMatcher } from './glob.js'
import { markdown } from './markdown.js'
import { directory, type DirectoryOptions } from './node/directory.js'

describe('markdown', () => {
  const text = [
    '---',
    'title: "The guide"',
    'tags: [a]',
    '---',
    '',
    'Preamble.',
    '',
    '# Guide *to* `sails`',
    '',
    'Text under it,',
    'of two lines.',
    '',
    'Setext heading',
    '--------------',
    '',
    '- one',
    '- two',
    '  more',
    '',
    '> # Not a section',
    '',
    '```md',
    '# Not a heading',
    '```',
    '',
    '| a | b |',
    '| - | - |',
    '| 1 | 2 |',
    '',
    '### Deep 🙂',
    'End.',
  ].join('\r\n')
  const document = markdown({ id: 'a', text })

  it('finds headings and blocks at their places', () => {
    const at = (span: { start: number; end: number }) => text.slice(span.start, span.end)
    expect(document.text).toBe(text)
    expect(document.title).toBe('The guide')
    expect(document.structure!.headings.map((heading) => [heading.depth, heading.text, at(heading)])).toEqual([
      [1, 'Guide to sails', '# Guide *to* `sails`'],
      [2, 'Setext heading', 'Setext heading\r\n--------------'],
      [3, 'Deep 🙂', '### Deep 🙂'],
    ])
    expect(document.structure!.blocks.map(at)).toEqual(
      expect.arrayContaining([
        'Preamble.',
        'Text under it,\r\nof two lines.',
        '- one',
        '- two\r\n  more',
        '```md\r\n# Not a heading\r\n```',
        '| a | b |\r\n| - | - |\r\n| 1 | 2 |',
        'End.',
      ]),
    )
  })

  it('gives chunks their path of headings', () => {
    const paths = recursive({ maxTokens: 64, overlap: 0 })
      .chunk(document)
      .map(({ headings }) => headings.join(' > '))
    expect([...new Set(paths)]).toEqual([
      'The guide',
      'The guide > Guide to sails',
      'The guide > Guide to sails > Setext heading',
      'The guide > Guide to sails > Setext heading > Deep 🙂',
    ])
  })

  it('takes the first heading of depth 1 for a title, unless one is given', () => {
    expect(markdown({ id: 'a', text: '## Two\n\n# One\n' }).title).toBe('One')
    expect(markdown({ id: 'a', text: '# One\n', title: 'Own' }).title).toBe('Own')
    expect(markdown({ id: 'a', text: 'No heading' }).title).toBeUndefined()
  })

  it('never loses a character, whatever the text', () => {
    const line = fc.constantFrom(
      '# H',
      '## H',
      'text',
      '- item',
      '> quote',
      '```',
      '| a |',
      '| - |',
      '---',
      '<div>',
      '[^1]: note',
      '',
      '  ',
      '\t',
      '1. x',
      '====',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string({ unit: 'grapheme' })), { maxLength: 20 }), (lines) => {
        const own = lines.join('\n').replaceAll('\0', '')
        const parsed = markdown({ id: 'x', text: own })
        for (const list of [parsed.structure!.headings, parsed.structure!.blocks])
          for (const [i, span] of list.entries()) {
            expect(span.start).toBeGreaterThanOrEqual(i === 0 ? 0 : list[i - 1]!.end)
            expect(span.end).toBeLessThanOrEqual(own.length)
          }
        const covered = new Uint8Array(own.length)
        for (const piece of recursive({ maxTokens: 16, overlap: 2 }).chunk(parsed)) {
          expect(piece.text).toBe(own.slice(piece.start, piece.end))
          covered.fill(1, piece.start, piece.end)
        }
        for (let i = 0; i < own.length; i++) if (covered[i] === 0) expect(own[i]!.trim()).toBe('')
      }),
    )
  })
})

describe('directory', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tesserae-load-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const put = async (files: Record<string, string | Uint8Array>) => {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), content)
    }
  }
  const ids = async (options?: DirectoryOptions) => {
    const found: string[] = []
    for await (const { id } of directory(folder, options)) found.push(id)
    return found
  }
  const loadAll = async (options?: DirectoryOptions) => {
    const found: Document[] = []
    for await (const item of directory(folder, options)) found.push(await item.load())
    return found
  }

  it('finds text files below a folder, in order, by globs', async () => {
    await put({
      'b.md': '',
      'a/x.txt': '',
      'a/b/y.markdown': '',
      'a/z.js': '',
      '.git/c.md': '',
      'node_modules/d.md': '',
      'a/.hidden.md': '',
      'drafts/e.md': '',
    })
    await symlink(join(folder, 'b.md'), join(folder, 'link.md'))
    await symlink(folder, join(folder, 'loop'))
    await symlink(join(folder, 'nowhere.md'), join(folder, 'dead.md'))
    expect(await ids()).toEqual(['a/b/y.markdown', 'a/x.txt', 'b.md', 'drafts/e.md', 'link.md'])
    expect(await ids({ exclude: ['drafts/**', '**/*.txt'], prefix: 'docs:' })).toEqual(['docs:a/b/y.markdown', 'docs:b.md', 'docs:link.md'])
    expect(await ids({ include: ['a/*.{js,txt}'] })).toEqual(['a/x.txt', 'a/z.js'])
  })

  it('reads text with its metadata, and Markdown with its headings', async () => {
    await put({ 'a/b.md': '# Title\n\nBody', 'c.txt': '\ufeff# Über', 'd.txt': Uint8Array.of(0xff, 0xfe, 0x41, 0, 0xe4, 0) })
    const [first, second, third] = await loadAll({ metadata: (path) => ({ deep: path.includes('/') }) })
    expect(first).toMatchObject({ id: 'a/b.md', title: 'Title', metadata: { path: 'a/b.md', folder: 'a', extension: 'md', deep: true } })
    expect(first!.structure!.headings.length).toBe(1)
    expect(second).toMatchObject({ text: '# Über', metadata: { folder: '', deep: false } })
    expect(second!.structure).toBeUndefined()
    expect(third!.text).toBe('Aä')
    expect((await loadAll({ markdown: false }))[0]!.structure).toBeUndefined()
  })

  it.each<[string, Uint8Array, RegExp]>([
    ['bytes that are not UTF-8', Uint8Array.of(0x41, 0xff, 0x42), /not UTF-8/],
    ['NUL', Uint8Array.of(0x41, 0, 0x42), /NUL/],
    ['a PDF', new TextEncoder().encode('%PDF-1.7 text'), /a PDF/],
    ['a ZIP archive', Uint8Array.of(0x50, 0x4b, 3, 4), /DOCX/],
  ])('refuses %s by name', async (_, bytes, message) => {
    await put({ 'sub/bad.txt': bytes })
    await expect(loadAll()).rejects.toMatchObject({ code: 'NOT_TEXT', message: expect.stringMatching(/sub.bad\.txt/) })
    await expect(loadAll()).rejects.toThrow(message)
  })

  it('refuses what is too large, and a folder that is not there', async () => {
    await put({ 'a.txt': 'x'.repeat(100) })
    await expect(loadAll({ maxBytes: 99 })).rejects.toMatchObject({ code: 'DOCUMENT', message: expect.stringContaining('maxBytes') })
    await rm(folder, { recursive: true })
    await expect(ids()).rejects.toMatchObject({ code: 'DOCUMENT' })
    await mkdir(folder)
  })
})

it.each<[string, string, boolean]>([
  ['**/*.md', 'a.md', true],
  ['**/*.md', 'a/b/c.md', true],
  ['*.md', 'a/b.md', false],
  ['a/**', 'a/b/c', true],
  ['a/**', 'b/c', false],
  ['**/test/*', 'x/test/y', true],
  ['**/test/*', 'xtest/y', false],
  ['a?c.{md,txt}', 'abc.txt', true],
  ['a?c.md', 'a/c.md', false],
  ['a.md', 'axmd', false],
  ['(a)[b]+.md', '(a)[b]+.md', true],
  ['\\*.md', '*.md', true],
  ['\\*.md', 'a.md', false],
])('glob %s on %s: %s', (glob, path, expected) => {
  expect(globMatcher(glob)(path)).toBe(expected)
  expect(() => globMatcher(`${glob}{`)).toThrow(expect.objectContaining({ code: 'OPTION' }))
})
