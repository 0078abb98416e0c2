/** `@tesserae/sampling/json`: JSON that is still arriving, was cut off, or was written carelessly. */
export { JsonError } from './json/json-error.js'
export {
  parsePartialJson,
  PartialJson,
  type DeepPartial,
  type JsonEvent,
  type JsonPath,
  type PartialJsonOptions,
  type PartialJsonResult,
} from './json/partial.js'
export { repairJson, type JsonRepair, type RepairedJson } from './json/repair.js'
