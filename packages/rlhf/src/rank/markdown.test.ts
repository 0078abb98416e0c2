import { expect, it } from 'vitest'
import { parseMarkdown } from './markdown.js'

it('reads what answers use', () => {
  expect(
    parseMarkdown('# Whales\nThey are **not** *fish* but `mammals`.\n\n- one\n- two\n\n1. first\n\n```ts\nconst a = "<b>"\n```'),
  ).toEqual([
    { kind: 'heading', content: ['Whales'] },
    {
      kind: 'paragraph',
      content: [
        'They are ',
        { kind: 'strong', text: 'not' },
        ' ',
        { kind: 'em', text: 'fish' },
        ' but ',
        { kind: 'code', text: 'mammals' },
        '.',
      ],
    },
    { kind: 'list', ordered: false, items: [['one'], ['two']] },
    { kind: 'list', ordered: true, items: [['first']] },
    { kind: 'code', text: 'const a = "<b>"' },
  ])
})

it('leaves HTML, links, images and stray marks as the text they are', () => {
  for (const text of [
    '<img src=x onerror=alert(1)>',
    '[a](javascript:alert(1))',
    '![x](http://e.invalid/p.png)',
    '2 * 3 * 4',
    '**open',
    '`open',
    '** a **',
  ])
    expect(parseMarkdown(text)).toEqual([{ kind: 'paragraph', content: [text] }])
})

it('ends an open code block with the text, and reads long runs of marks', () => {
  expect(parseMarkdown('```\na\nb')).toEqual([{ kind: 'code', text: 'a\nb' }])
  expect(parseMarkdown('*'.repeat(20_000))).toHaveLength(1)
  expect(parseMarkdown('`*'.repeat(10_000))).toHaveLength(1)
})
