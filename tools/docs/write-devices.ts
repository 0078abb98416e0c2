import { writeFileSync } from 'node:fs'
import { devicesPage } from './devices.js'

const page = devicesPage()
writeFileSync(new URL('../../docs/devices.md', import.meta.url), page)
console.log(page)
