/**
 * Formats of texts as regular expressions. Where a format cannot be said exactly, fewer texts are taken, and never one that is not of the format.
 *
 * Sources: RFC 3339 (dates and times), RFC 5321 and 1123 (e-mail addresses and names of hosts), RFC 2673 and 4291 (addresses of hosts), RFC 3986 (URIs), RFC 6570 (their templates), RFC 4122 (UUIDs),
 * RFC 6901 (pointers), and ISO 8601's durations as appendix A of RFC 3339 gives them.
 */
const YEAR_OF_29 = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)'
const DAY = '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))'
const DATE = `(?:\\d{4}-${DAY}|${YEAR_OF_29}-02-29)`
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)'
const ALPHANUMERIC = '[A-Za-z0-9]'
const INNER = '[A-Za-z0-9-]'
/** A label of so many characters at most. Those whose third and fourth characters are hyphens are encoded names, which have rules of their own. */
const label = (most: number): string =>
  `${ALPHANUMERIC}(?:${INNER}{0,2}${ALPHANUMERIC}|${INNER}(?:${ALPHANUMERIC}${INNER}|-${ALPHANUMERIC})${INNER}{0,${most - 5}}${ALPHANUMERIC})?`
/** A name of so many labels at least. 253 characters at most in all: three labels of any length, or more that are shorter. Counting all of them beside each label would take too many states. */
const host = (least: number): string => `(?:${label(63)}(?:\\.${label(63)}){${least - 1},2}|${label(30)}(?:\\.${label(30)}){3,7})`
const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`
const GROUP = '[0-9A-Fa-f]{1,4}'
const LAST_GROUPS = `(?:${GROUP}:${GROUP}|${IPV4})`
const IPV6 = [
  `(?:${GROUP}:){6}${LAST_GROUPS}`,
  `::(?:${GROUP}:){0,5}${LAST_GROUPS}`,
  `${GROUP}::(?:${GROUP}:){0,4}${LAST_GROUPS}`,
  `${GROUP}(?::${GROUP}){1}::(?:${GROUP}:){0,3}${LAST_GROUPS}`,
  `${GROUP}(?::${GROUP}){2}::(?:${GROUP}:){0,2}${LAST_GROUPS}`,
  `${GROUP}(?::${GROUP}){3}::(?:${GROUP}:){0,1}${LAST_GROUPS}`,
  `${GROUP}(?::${GROUP}){4}::${LAST_GROUPS}`,
  `(?:${GROUP}(?::${GROUP}){0,5})?::${GROUP}`,
  `(?:${GROUP}(?::${GROUP}){0,6})?::`,
].join('|')
const PERCENT = '%[0-9A-Fa-f]{2}'
const PCHAR = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${PERCENT})`
const AUTHORITY = `(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|${PERCENT})*@)?(?:\\[(?:${IPV6})\\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|${PERCENT})+)(?::\\d{0,5})?`
const TAIL = `(?:\\?(?:${PCHAR}|[/?])*)?(?:#(?:${PCHAR}|[/?])*)?`
const SCHEME = '[A-Za-z][A-Za-z0-9+.-]*'
/** Of files, the host may be nothing. */
const HIERARCHY = `(?://${AUTHORITY}(?:/${PCHAR}*)*|//(?:/${PCHAR}*)+|/(?:${PCHAR}+(?:/${PCHAR}*)*)?|${PCHAR}+(?:/${PCHAR}*)*)`
const URI = `${SCHEME}:${HIERARCHY}${TAIL}`
const RELATIVE = `(?://${AUTHORITY}(?:/${PCHAR}*)*|/(?:${PCHAR}+(?:/${PCHAR}*)*)?|(?:[A-Za-z0-9._~!$&'()*+,;=@-]|${PERCENT})+(?:/${PCHAR}*)*)?${TAIL}`
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
/** 64 characters at most before the sign. */
const EMAIL = `(?:${ATOM}{1,64}|${ATOM}{1,20}(?:\\.${ATOM}{1,20}){1,2})@${host(2)}`
const POINTER = '(?:/(?:[^~/]|~[01])*)*'
const VARIABLE = `(?:[A-Za-z0-9_]|${PERCENT})+(?:\\.(?:[A-Za-z0-9_]|${PERCENT})+)*(?::[1-9]\\d{0,3}|\\*)?`
const DATES = '(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)'
const TIMES = 'T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)'

const SOURCES: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE}T${TIME}`,
  duration: `P(?:\\d+W|${DATES}(?:${TIMES})?|${TIMES})`,
  email: EMAIL,
  'idn-email': EMAIL,
  hostname: host(1),
  'idn-hostname': host(1),
  ipv4: IPV4,
  ipv6: `(?:${IPV6})`,
  uri: URI,
  iri: URI,
  'uri-reference': `(?:${URI}|${RELATIVE})`,
  'iri-reference': `(?:${URI}|${RELATIVE})`,
  'uri-template': `(?:[A-Za-z0-9._~!$&()*+,;=:@/?#[\\]-]|${PERCENT}|\\{[+#./;?&]?${VARIABLE}(?:,${VARIABLE})*\\})*`,
  uuid: '[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}',
  'json-pointer': POINTER,
  'relative-json-pointer': `(?:0|[1-9]\\d*)(?:#|${POINTER})`,
}
/** Formats of the specification that no regular expression says. */
const BEYOND = ['regex']

/** The regular expression of a format. */
export const formatSource = (name: string): string | undefined => (Object.hasOwn(SOURCES, name) ? `^${SOURCES[name]!}$` : undefined)

/** Whether texts can be held to a format; undefined for formats that the specification does not know, which say nothing. */
export function isFormat(name: string): boolean | undefined {
  if (Object.hasOwn(SOURCES, name)) return true
  return BEYOND.includes(name) ? false : undefined
}
