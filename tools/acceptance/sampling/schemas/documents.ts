import { boolean, closed, integer, list, nullable, number, text, type SchemaCase } from './case.js'

const date = { type: 'string', format: 'date' } as const
const month = { type: 'string', pattern: '^[12][0-9]{3}-(0[1-9]|1[0-2])$' } as const
const money = { ...number, minimum: 0 }
const position = {
  type: 'array',
  prefixItems: [
    { ...number, minimum: -180, maximum: 180 },
    { ...number, minimum: -90, maximum: 90 },
  ],
  items: false,
  minItems: 2,
} as const

export const documentCases: readonly SchemaCase[] = [
  {
    name: 'resume',
    schema: closed(
      {
        basics: closed(
          { name: text, email: { type: 'string', format: 'email' }, phone: text, summary: { type: 'string', maxLength: 600 } },
          ['name', 'email'],
        ),
        work: list(
          closed(
            {
              company: text,
              position: text,
              start: month,
              end: { anyOf: [month, { const: 'present' }] },
              highlights: list(text, { maxItems: 6 }),
            },
            ['company', 'position', 'start'],
          ),
        ),
        education: list(
          closed({
            institution: text,
            degree: { enum: ['BSc', 'MSc', 'PhD', 'other'] },
            year: { ...integer, minimum: 1950, maximum: 2030 },
          }),
        ),
        skills: list(closed({ name: text, level: { ...integer, minimum: 1, maximum: 5 } }), { minItems: 1 }),
        languages: list({ enum: ['de', 'en', 'es', 'fr', 'ja', 'zh'] }, { uniqueItems: true }),
      },
      ['basics', 'work', 'skills'],
    ),
    instances: [
      {
        basics: { name: 'Grace Hopper', email: 'grace@navy.example', summary: 'Compilers, and the first bug that was taped into a book.' },
        work: [
          { company: 'Eckert–Mauchly', position: 'Mathematician', start: '1949-06', end: '1967-12', highlights: ['A-0', 'FLOW-MATIC'] },
          { company: 'US Navy', position: 'Rear Admiral', start: '1967-08', end: 'present' },
        ],
        education: [{ institution: 'Yale', degree: 'PhD', year: 1950 }],
        skills: [{ name: 'COBOL', level: 5 }],
        languages: ['en', 'de'],
      },
      { basics: { name: '', email: 'a@b.cd' }, work: [], skills: [{ name: 'x', level: 1 }] },
      { basics: { name: '', email: 'nobody' }, work: [], skills: [{ name: 'x', level: 1 }] },
      { basics: { name: '', email: 'a@b.cd' }, work: [{ company: '', position: '', start: '1949-13' }], skills: [{ name: 'x', level: 1 }] },
      { basics: { name: '', email: 'a@b.cd' }, work: [], skills: [] },
      { basics: { name: '', email: 'a@b.cd' }, work: [], skills: [{ name: 'x', level: 6 }] },
      { basics: { name: '', email: 'a@b.cd' }, work: [], skills: [{ name: 'x', level: 1 }], languages: ['en', 'en'] },
    ],
  },
  {
    name: 'invoice',
    schema: closed({
      number: { type: 'string', pattern: '^INV-[0-9]{4}-[0-9]{3,}$' },
      issued: date,
      due: { anyOf: [date, { type: 'null' }] },
      currency: { enum: ['EUR', 'USD', 'GBP', 'JPY'] },
      seller: closed({ name: text, vat: { type: 'string', pattern: '^[A-Z]{2}[0-9]{8,12}$' } }),
      lines: list(
        closed({ description: text, quantity: { ...number, exclusiveMinimum: 0 }, price: money, rate: { enum: [0, 0.07, 0.19] } }),
        { minItems: 1, maxItems: 200 },
      ),
      total: money,
    }),
    instances: [
      {
        number: 'INV-2024-001',
        issued: '2024-05-01',
        due: null,
        currency: 'EUR',
        seller: { name: 'ACME "Ltd."', vat: 'DE123456789' },
        lines: [
          { description: 'Anvil', quantity: 2, price: 99.5, rate: 0.19 },
          { description: 'Rope, 10 m', quantity: 0.5, price: 12, rate: 0 },
        ],
        total: 244.0,
      },
      {
        number: 'INV-24-001',
        issued: '2024-05-01',
        due: null,
        currency: 'EUR',
        seller: { name: '', vat: 'DE123456789' },
        lines: [{ description: '', quantity: 1, price: 1, rate: 0 }],
        total: 1,
      },
      {
        number: 'INV-2024-001',
        issued: '2024-02-30',
        due: null,
        currency: 'EUR',
        seller: { name: '', vat: 'DE123456789' },
        lines: [{ description: '', quantity: 1, price: 1, rate: 0 }],
        total: 1,
      },
      {
        number: 'INV-2024-001',
        issued: '2024-02-03',
        due: null,
        currency: 'EUR',
        seller: { name: '', vat: 'DE123456789' },
        lines: [{ description: '', quantity: 0, price: 1, rate: 0 }],
        total: 1,
      },
      {
        number: 'INV-2024-001',
        issued: '2024-02-03',
        due: null,
        currency: 'EUR',
        seller: { name: '', vat: 'DE123456789' },
        lines: [{ description: '', quantity: 1, price: 1, rate: 0.2 }],
        total: 1,
      },
    ],
  },
  {
    name: 'reasoning-in-steps',
    schema: closed({ steps: list(closed({ explanation: text, output: text })), final_answer: text }),
    instances: [
      {
        steps: [
          { explanation: 'Start with the equation 8x + 7 = -23.', output: '8x + 7 = -23' },
          { explanation: 'Subtract 7 from both sides.', output: '8x = -30' },
          { explanation: 'Divide by 8.', output: 'x = -30 / 8' },
        ],
        final_answer: 'x = -3.75',
      },
      { steps: [], final_answer: '' },
      { steps: [{ explanation: 'x' }], final_answer: '' },
      { steps: [] },
    ],
  },
  {
    name: 'paper-extraction',
    schema: closed({
      title: text,
      authors: list(text),
      abstract: text,
      keywords: list(text),
      published: nullable('string'),
      citations: list(closed({ doi: { type: 'string', pattern: '^10\\.[0-9]{4,9}/\\S+$' }, year: integer })),
    }),
    instances: [
      {
        title: 'Parsing with Derivatives',
        authors: ['M. Might', 'D. Darais', 'D. Spiewak'],
        abstract: 'We present a functional approach to parsing unrestricted context-free grammars based on Brzozowski’s derivative.',
        keywords: ['parsing', 'derivative'],
        published: '2011',
        citations: [{ doi: '10.1145/2034773.2034801', year: 2011 }],
      },
      { title: '', authors: [], abstract: '', keywords: [], published: null, citations: [{ doi: '10.1/x', year: 1 }] },
      { title: '', authors: [], abstract: '', keywords: [], published: null, citations: [{ doi: '10.1145/a b', year: 1 }] },
      { title: '', authors: [1], abstract: '', keywords: [], published: null, citations: [] },
    ],
  },
  {
    name: 'moderation',
    schema: closed({
      violates: boolean,
      category: { anyOf: [{ type: 'null' }, { enum: ['violence', 'sexual', 'self_harm', 'harassment'] }] },
      scores: closed(
        Object.fromEntries(['violence', 'sexual', 'self_harm', 'harassment'].map((name) => [name, { ...number, minimum: 0, maximum: 1 }])),
      ),
      explanation: nullable('string'),
    }),
    instances: [
      { violates: false, category: null, scores: { violence: 0.01, sexual: 0, self_harm: 1e-5, harassment: 0.2 }, explanation: null },
      {
        violates: true,
        category: 'violence',
        scores: { violence: 1, sexual: 0, self_harm: 0, harassment: 0 },
        explanation: 'It threatens.',
      },
      { violates: true, category: 'other', scores: { violence: 1, sexual: 0, self_harm: 0, harassment: 0 }, explanation: null },
      { violates: true, category: null, scores: { violence: 1.5, sexual: 0, self_harm: 0, harassment: 0 }, explanation: null },
      { violates: true, category: null, scores: { violence: 1 }, explanation: null },
    ],
  },
  {
    name: 'places',
    schema: {
      type: 'object',
      properties: {
        type: { const: 'FeatureCollection' },
        features: list({
          type: 'object',
          properties: {
            type: { const: 'Feature' },
            geometry: {
              oneOf: [
                closed({ type: { const: 'Point' }, coordinates: position }),
                closed({ type: { const: 'LineString' }, coordinates: list(position, { minItems: 2 }) }),
                closed({ type: { const: 'Polygon' }, coordinates: list(list(position, { minItems: 4 })) }),
              ],
            },
            properties: { type: ['object', 'null'] },
          },
          required: ['type', 'geometry', 'properties'],
        }),
      },
      required: ['type', 'features'],
    },
    instances: [
      { type: 'FeatureCollection', features: [] },
      {
        type: 'FeatureCollection',
        features: [
          { type: 'Feature', geometry: { type: 'Point', coordinates: [13.4, 52.5] }, properties: { name: 'Berlin', people: 3_700_000 } },
          {
            type: 'Feature',
            geometry: {
              type: 'LineString',
              coordinates: [
                [0, 0],
                [-180, 90],
              ],
            },
            properties: null,
            id: 7,
          },
        ],
        bbox: [0, 0, 1, 1],
      },
      { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: { type: 'Point', coordinates: [181, 0] }, properties: null }] },
      {
        type: 'FeatureCollection',
        features: [{ type: 'Feature', geometry: { type: 'LineString', coordinates: [[0, 0]] }, properties: null }],
      },
      { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: { type: 'Point', coordinates: [1, 0] } }] },
    ],
  },
  {
    name: 'package-manifest',
    schema: {
      type: 'object',
      properties: {
        name: { type: 'string', pattern: '^(?:@[a-z0-9-*~][a-z0-9-*._~]*/)?[a-z0-9-~][a-z0-9-._~]*$', maxLength: 214 },
        version: { type: 'string', pattern: '^[0-9]+\\.[0-9]+\\.[0-9]+' },
        private: boolean,
        scripts: { type: 'object', additionalProperties: text },
        dependencies: { type: 'object', additionalProperties: text },
        author: {
          anyOf: [text, { type: 'object', properties: { name: text, email: { type: 'string', format: 'email' } }, required: ['name'] }],
        },
        keywords: list(text),
      },
      required: ['name', 'version'],
    },
    instances: [
      {
        name: '@tesserae/sampling',
        version: '0.1.0',
        scripts: { test: 'vitest run' },
        dependencies: { core: '^1' },
        author: { name: 'A', email: 'a@b.cd' },
        keywords: ['llm'],
        license: 'Apache-2.0',
      },
      { name: 'x', version: '1.0.0-rc.1', author: 'A <a@b.cd>' },
      { name: 'X', version: '1.0.0' },
      { name: 'x', version: '1.0' },
      { name: 'x', version: '1.0.0', scripts: { test: true } },
      { name: 'x', version: '1.0.0', author: { email: 'a@b.cd' } },
    ],
  },
  {
    name: 'deployment',
    schema: {
      type: 'object',
      properties: {
        apiVersion: { enum: ['apps/v1'] },
        kind: { const: 'Deployment' },
        metadata: {
          type: 'object',
          properties: {
            name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', maxLength: 63 },
            labels: { type: 'object', additionalProperties: text },
          },
          required: ['name'],
        },
        spec: closed(
          {
            replicas: { ...integer, minimum: 0, maximum: 1000 },
            containers: list(
              closed(
                {
                  name: text,
                  image: text,
                  ports: list({ ...integer, minimum: 1, maximum: 65535 }),
                  env: list(closed({ name: { type: 'string', pattern: '^[A-Z_][A-Z0-9_]*$' }, value: text })),
                  resources: {
                    type: 'object',
                    patternProperties: { '^(cpu|memory)$': { type: 'string', pattern: '^[0-9]+(m|Mi|Gi)?$' } },
                    additionalProperties: false,
                  },
                },
                ['name', 'image'],
              ),
              { minItems: 1 },
            ),
          },
          ['containers'],
        ),
      },
      required: ['apiVersion', 'kind', 'metadata', 'spec'],
      additionalProperties: false,
    },
    instances: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web-1', labels: { app: 'web' } },
        spec: {
          replicas: 3,
          containers: [
            {
              name: 'c',
              image: 'nginx:1.27',
              ports: [80, 443],
              env: [{ name: 'LOG_LEVEL', value: 'info' }],
              resources: { cpu: '250m', memory: '1Gi' },
            },
          ],
        },
      },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: '-a' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { containers: [] } },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'a' },
        spec: { containers: [{ name: 'c', image: 'i', resources: { cpu: '1x' } }] },
      },
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { containers: [{ name: 'c', image: 'i', ports: [0] }] } },
    ],
  },
  {
    name: 'calendar-event',
    schema: closed(
      {
        title: { ...text, minLength: 1, maxLength: 80 },
        starts: { type: 'string', format: 'date-time' },
        minutes: { ...integer, multipleOf: 15, minimum: 15, maximum: 1440 },
        attendees: list(closed({ email: { type: 'string', format: 'email' }, status: { enum: ['yes', 'no', 'maybe'] } }), { maxItems: 50 }),
        repeats: { anyOf: [closed({ every: { enum: ['day', 'week', 'month'] }, until: date }), { type: 'null' }] },
        url: { type: 'string', format: 'uri' },
      },
      ['title', 'starts', 'minutes', 'attendees'],
    ),
    instances: [
      {
        title: 'Stand-up',
        starts: '2024-06-01T09:30:00Z',
        minutes: 15,
        attendees: [{ email: 'a@b.cd', status: 'yes' }],
        repeats: { every: 'day', until: '2024-12-31' },
        url: 'https://meet.example/x',
      },
      { title: 'x', starts: '2024-06-01T09:30:00Z', minutes: 90, attendees: [] },
      { title: '', starts: '2024-06-01T09:30:00Z', minutes: 90, attendees: [] },
      { title: 'x', starts: '2024-06-01 09:30', minutes: 90, attendees: [] },
      { title: 'x', starts: '2024-06-01T09:30:00Z', minutes: 20, attendees: [] },
      { title: 'x', starts: '2024-06-01T09:30:00Z', minutes: 15, attendees: [{ email: 'a@b.cd', status: 'late' }] },
    ],
  },
  {
    name: 'schema-of-2019',
    schema: {
      $schema: 'https://json-schema.org/draft/2019-09/schema',
      type: 'object',
      properties: { point: { type: 'array', items: [number, number], additionalItems: false, minItems: 2 }, tags: list(text) },
      required: ['point'],
      additionalProperties: false,
    },
    instances: [{ point: [1, 2] }, { point: [1, 2], tags: ['a'] }, { point: [1, 2, 3] }, { point: [1] }, { point: ['1', 2] }],
  },
  {
    name: 'schema-of-draft-07',
    schema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      definitions: { port: { ...integer, minimum: 1, maximum: 65535 } },
      type: 'object',
      properties: { host: text, port: { $ref: '#/definitions/port' }, tls: boolean, key: text },
      required: ['host'],
      dependencies: { tls: ['port'], key: { required: ['tls'] } },
      additionalProperties: false,
    },
    instances: [
      { host: 'h' },
      { host: 'h', port: 443, tls: true, key: 'k' },
      { host: 'h', tls: true },
      { host: 'h', port: 0 },
      { host: 'h', key: 'k' },
    ],
  },
]
