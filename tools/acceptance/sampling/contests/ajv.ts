import { createRequire } from 'node:module'
import { join } from 'node:path'
import { npmFolderWith } from '../../lib/npm.js'
import type { JsonSchema } from '@tesserae/sampling/grammar'

export const AJV = ['ajv@8.20.0', 'ajv-formats@3.0.1'] as const

type Validate = (value: unknown) => boolean

interface AjvInstance {
  compile(schema: JsonSchema): Validate
}

type AjvClass = new (options: object) => AjvInstance

/** Ajv, which decides what is valid. */
export class Judge {
  private readonly classes: Readonly<Record<'2020' | '2019' | 'draft-07', AjvClass>>
  private readonly addFormats: (ajv: AjvInstance) => void

  constructor() {
    const load = createRequire(join(npmFolderWith('ajv', AJV), 'package.json'))
    const classOf = (name: string): AjvClass => (load(name) as { readonly default: AjvClass }).default
    this.classes = { '2020': classOf('ajv/dist/2020.js'), '2019': classOf('ajv/dist/2019.js'), 'draft-07': classOf('ajv') }
    this.addFormats = (load('ajv-formats') as { readonly default: (ajv: AjvInstance) => void }).default
  }

  /** Whether values are valid by a schema, of the version that it names, else of 2020-12. Formats are asserted. */
  of(schema: JsonSchema): Validate {
    const named = typeof schema === 'object' ? schema['$schema'] : undefined
    const version =
      typeof named !== 'string' ? '2020' : named.includes('2019-09') ? '2019' : named.includes('draft-07') ? 'draft-07' : '2020'
    const ajv = new this.classes[version]({ strict: false, multipleOfPrecision: 6 })
    this.addFormats(ajv)
    return ajv.compile(schema)
  }
}
