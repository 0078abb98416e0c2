export { TesseraeError, type TesseraeErrorOptions } from './errors.js'
export { philox4x32 } from './philox.js'
