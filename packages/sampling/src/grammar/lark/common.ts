/**
 * The terminals of Lark's module `common`, as regular expressions. Where Lark's own take as little as they can, these say what that comes to: a string ends with its first quote that is not escaped.
 *
 * Source: https://lark-parser.readthedocs.io/en/stable/grammar.html#importing-terminals-from-the-common-module and lark/grammars/common.lark.
 */
const INT = '[0-9]+'
const EXPONENT = '[eE][+-]?[0-9]+'
const DECIMAL = '(?:[0-9]+\\.[0-9]*|\\.[0-9]+)'
const FLOAT = `(?:${INT}${EXPONENT}|${DECIMAL}(?:${EXPONENT})?)`
const NUMBER = `(?:${FLOAT}|${INT})`

export const COMMON: ReadonlyMap<string, string> = new Map([
  ['DIGIT', '[0-9]'],
  ['HEXDIGIT', '[0-9A-Fa-f]'],
  ['INT', INT],
  ['SIGNED_INT', `[+-]?${INT}`],
  ['DECIMAL', DECIMAL],
  ['FLOAT', FLOAT],
  ['SIGNED_FLOAT', `[+-]?${FLOAT}`],
  ['NUMBER', NUMBER],
  ['SIGNED_NUMBER', `[+-]?${NUMBER}`],
  ['ESCAPED_STRING', '"(?:[^"\\\\\\n]|\\\\[^\\n])*"'],
  ['LCASE_LETTER', '[a-z]'],
  ['UCASE_LETTER', '[A-Z]'],
  ['LETTER', '[A-Za-z]'],
  ['WORD', '[A-Za-z]+'],
  ['CNAME', '[A-Za-z_][0-9A-Za-z_]*'],
  ['WS_INLINE', '[ \\t]+'],
  ['WS', '[ \\t\\f\\r\\n]+'],
  ['CR', '\\r'],
  ['LF', '\\n'],
  ['NEWLINE', '(?:\\r?\\n)+'],
  ['SH_COMMENT', '#[^\\n]*'],
  ['CPP_COMMENT', '//[^\\n]*'],
  ['SQL_COMMENT', '--[^\\n]*'],
  ['C_COMMENT', '/\\*(?:[^*]|\\*+[^*/])*\\*+/'],
])
