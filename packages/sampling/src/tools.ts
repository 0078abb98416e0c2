/** `@tesserae/sampling/tools`: calls of tools in the formats that models write them in, as grammars and as they arrive. */
export { toolFormats, type FormatName as ToolFormat } from './tools/format.js'
export { type JsonObject } from './tools/call-arguments.js'
export { type FunctionTool, type Tool, type ToolName } from './tools/tool.js'
export { toolGrammar, type ToolChoice, type ToolGrammarOptions } from './tools/tool-grammar.js'
export {
  readToolCalls,
  toolCallParser,
  type ToolCall,
  type ToolCallEvent,
  type ToolCallParser,
  type ToolCallParserOptions,
} from './tools/tool-call-parser.js'
