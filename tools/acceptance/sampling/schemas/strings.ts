import { closed, text, type SchemaCase } from './case.js'

const pattern = (source: string) => ({ type: 'string', pattern: source }) as const
const format = (name: string) => ({ type: 'string', format: name }) as const
const thousand = Array.from({ length: 1000 }, (_, i) => `${['red', 'green', 'blue', 'grey'][i % 4]!}-${(i * 7919) % 10007}-${i}`)

export const stringCases: readonly SchemaCase[] = [
  {
    name: 'patterns',
    schema: closed({
      version: pattern('^[0-9]+\\.[0-9]+\\.[0-9]+(-[a-z0-9.]+)?$'),
      color: pattern('^#[0-9a-fA-F]{6}$'),
      phone: pattern('^\\+?[0-9]{1,3}[ -][0-9]{3}[ -][0-9]{4,7}$'),
      slug: pattern('^[a-z0-9]+(?:-[a-z0-9]+)*$'),
    }),
    instances: [
      { version: '1.20.3', color: '#00aaFF', phone: '+49 555 12345', slug: 'a-slug-2' },
      { version: '0.0.0-rc.1', color: '#123456', phone: '1-555-1234', slug: 'x' },
      { version: '1.2', color: '#00aaFF', phone: '+49 555 12345', slug: 'a' },
      { version: '1.2.3', color: '#00aaF', phone: '+49 555 12345', slug: 'a' },
      { version: '1.2.3', color: '#00aaFF', phone: '555', slug: 'a' },
      { version: '1.2.3', color: '#00aaFF', phone: '+49 555 12345', slug: 'a--b' },
    ],
  },
  {
    name: 'formats-of-time',
    schema: closed({ date: format('date'), time: format('time'), at: format('date-time'), lasts: format('duration') }),
    instances: [
      { date: '2024-02-29', time: '23:59:59Z', at: '2024-02-29T12:00:00.5+01:30', lasts: 'P1Y2M3DT4H5M6S' },
      { date: '1999-12-31', time: '00:00:00+00:00', at: '1999-12-31T23:59:59Z', lasts: 'PT1M' },
      { date: '2023-02-29', time: '23:59:59Z', at: '2024-02-29T12:00:00Z', lasts: 'P1D' },
      { date: '2024-02-01', time: '24:00:00Z', at: '2024-02-29T12:00:00Z', lasts: 'P1D' },
      { date: '2024-02-01', time: '23:59:59Z', at: '2024-13-29T12:00:00Z', lasts: 'P1D' },
      { date: '2024-02-01', time: '23:59:59Z', at: '2024-02-29T12:00:00Z', lasts: 'P' },
    ],
  },
  {
    name: 'formats-of-addresses',
    schema: closed({
      email: format('email'),
      host: format('hostname'),
      v4: format('ipv4'),
      v6: format('ipv6'),
      uri: format('uri'),
      id: format('uuid'),
    }),
    instances: [
      {
        email: 'ada@example.com',
        host: 'www.example.com',
        v4: '192.168.0.1',
        v6: '2001:db8::8a2e:370:7334',
        uri: 'https://example.com/a?b=c#d',
        id: '123e4567-e89b-12d3-a456-426614174000',
      },
      {
        email: 'a.b+c@x-y.org',
        host: 'a',
        v4: '0.0.0.0',
        v6: '::1',
        uri: 'urn:isbn:0451450523',
        id: '00000000-0000-0000-0000-000000000000',
      },
      { email: 'ada', host: 'a', v4: '0.0.0.0', v6: '::1', uri: 'urn:isbn:0451450523', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'a@b.c', host: '-a', v4: '0.0.0.0', v6: '::1', uri: 'urn:isbn:0451450523', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'a@b.c', host: 'a', v4: '256.0.0.0', v6: '::1', uri: 'urn:isbn:0451450523', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'a@b.c', host: 'a', v4: '0.0.0.0', v6: ':::1', uri: 'urn:isbn:0451450523', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'a@b.c', host: 'a', v4: '0.0.0.0', v6: '::1', uri: 'no uri', id: '00000000-0000-0000-0000-000000000000' },
      { email: 'a@b.c', host: 'a', v4: '0.0.0.0', v6: '::1', uri: 'a:b', id: '123e4567' },
    ],
  },
  {
    name: 'lengths',
    schema: closed({
      short: { type: 'string', maxLength: 5 },
      name: { type: 'string', minLength: 3, maxLength: 20 },
      code: { type: 'string', minLength: 8, maxLength: 8 },
    }),
    instances: [
      { short: '', name: 'abc', code: '12345678' },
      { short: '😀😀😀😀😀', name: 'twenty characters !!', code: '"\\\n\t/é😀 ' },
      { short: 'longer', name: 'abc', code: '12345678' },
      { short: '', name: 'ab', code: '12345678' },
      { short: '', name: 'one more than twenty.', code: '12345678' },
      { short: '', name: 'abc', code: '1234567' },
    ],
  },
  {
    name: 'length-100000',
    schema: closed({ text: { type: 'string', maxLength: 100_000 } }),
    instances: [
      { text: '' },
      { text: 'Call me Ishmael. '.repeat(60) },
      { text: 'é"\n'.repeat(300) },
      { text: 'a'.repeat(100_001) },
      { text: null },
    ],
  },
  {
    name: 'length-from-2000',
    schema: closed({ essay: { type: 'string', minLength: 2000, maxLength: 100_000 } }),
    instances: [
      { essay: 'Some years ago—never mind how long precisely. '.repeat(50) },
      { essay: 'too short' },
      { essay: 'x'.repeat(1999) },
    ],
  },
  {
    name: 'regex-bomb-nested-repetition',
    schema: closed({ bomb: pattern('^(a+)+$') }),
    judged: closed({ bomb: pattern('^a+$') }),
    instances: [{ bomb: 'a' }, { bomb: 'a'.repeat(200) }, { bomb: '' }, { bomb: `${'a'.repeat(24)}b` }],
  },
  {
    name: 'regex-bomb-ambiguous',
    schema: closed({ bomb: pattern('^(([a-z])+.)+[A-Z]([a-z])+$') }),
    judged: closed({ bomb: pattern('^(?:(?:[a-z]+[^a-z\\n\\r\\u2028\\u2029])+(?:[a-z]{2,})?|[a-z]{2,})[A-Z][a-z]+$') }),
    instances: [{ bomb: 'ab.cD' + 'e'.repeat(40) }, { bomb: 'a Bc' }, { bomb: 'aaaaaaaaaaaaaaaaaaaaaa' }, { bomb: 'aB' }],
  },
  {
    name: 'regex-bomb-counted',
    schema: closed({ bomb: pattern('^(.*a.{12})$') }),
    instances: [{ bomb: 'xxabcdefghijklm' }, { bomb: `${'a'.repeat(30)}` }, { bomb: 'abc' }, { bomb: 'b'.repeat(30) }],
  },
  {
    name: 'pattern-with-lengths',
    schema: closed({
      key: { type: 'string', pattern: '^[A-Z][A-Z0-9_]*$', minLength: 4, maxLength: 16 },
      word: { type: 'string', pattern: 'oo', maxLength: 9 },
    }),
    instances: [
      { key: 'PATH', word: 'oo' },
      { key: 'A_LONG_NAME_1234', word: 'woodwork' },
      { key: 'ABC', word: 'oo' },
      { key: 'A_LONG_NAME_12345', word: 'oo' },
      { key: 'path', word: 'oo' },
      { key: 'PATH', word: 'wordwork' },
      { key: 'PATH', word: 'bookkeeper' },
    ],
  },
  {
    name: 'patterns-of-letters',
    schema: closed({ word: pattern('^\\p{L}+$'), capital: pattern('^\\p{Lu}'), other: pattern('^[^\\s<>&]{1,30}$') }),
    instances: [
      { word: 'Größe', capital: 'Éa', other: 'naïve' },
      { word: 'слово', capital: 'Жук 7', other: '值' },
      { word: 'two words', capital: 'A', other: 'x' },
      { word: 'a', capital: 'éa', other: 'x' },
      { word: 'a', capital: 'A', other: '<b>' },
    ],
  },
  {
    name: 'pattern-anywhere',
    schema: closed({ sentence: pattern('whale.*sea'), ends: pattern('\\.json$') }),
    instances: [
      { sentence: 'the whale in the sea', ends: 'package.json' },
      { sentence: 'whalesea', ends: '.json' },
      { sentence: 'the sea of the whale', ends: 'package.json' },
      { sentence: 'whale\nsea', ends: 'package.json' },
      { sentence: 'whale sea', ends: 'package.json5' },
    ],
  },
  {
    name: 'enum-thousand',
    schema: closed({ color: { enum: thousand }, second: { enum: thousand.slice(500) } }),
    instances: [
      { color: thousand[0]!, second: thousand[999]! },
      { color: thousand[555]!, second: thousand[500]! },
      { color: 'red', second: thousand[999]! },
      { color: thousand[1]!, second: thousand[2]! },
    ],
  },
  {
    name: 'enum-of-all-types',
    schema: { enum: [null, true, 0, -1.5, '', 'word', [], [1, 'a'], {}, { a: [false], b: 'c' }] },
    instances: [null, true, 0, -1.5, '', 'word', [], [1, 'a'], {}, { a: [false], b: 'c' }, false, 1, 'words', [1], { a: [false] }],
  },
  {
    name: 'constants',
    schema: closed({ kind: { const: 'event' }, version: { const: 2 }, origin: { const: { host: 'a', ports: [80, 443] } }, note: text }),
    instances: [
      { kind: 'event', version: 2, origin: { host: 'a', ports: [80, 443] }, note: 'n' },
      { kind: 'events', version: 2, origin: { host: 'a', ports: [80, 443] }, note: 'n' },
      { kind: 'event', version: 3, origin: { host: 'a', ports: [80, 443] }, note: 'n' },
      { kind: 'event', version: 2, origin: { host: 'a', ports: [443, 80] }, note: 'n' },
    ],
  },
]
