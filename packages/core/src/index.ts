export { TesseraeError, type TesseraeErrorOptions } from './errors.js'
