// Chat templates that mean harm, by hand.
import { Tokenizer, type ChatMessage } from '@tesserae/tokenizer'
import type { HostileCase } from './case.js'
import { moby } from './valid.js'

const doubling = (step: string): string =>
  `{% set ns = namespace(s="aaaaaaaaaaaaaaaa", l=[1]) %}{% for i in range(60) %}${step}{% endfor %}{{ ns.s }}`
const chain = (count: number, part: string): string => part.repeat(count)

const sources: Record<string, string> = {
  'loops in loops': '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
  'loops in loops in loops': '{% for i in range(999) %}{% for j in range(999) %}{% for k in range(999) %}{{ k }}{% endfor %}{% endfor %}{% endfor %}',
  'a range of 10^9': '{{ range(1000000000) }}',
  'a range of 10^9 in a loop': '{% for i in range(10**9) %}{% endfor %}',
  'a range of 10^18': '{% for i in range(1000000000000000000) %}a{% endfor %}',
  'a range below zero': '{% for i in range(0, -1000000000, -1) %}a{% endfor %}',
  'a range without a step': '{{ range(0, 5, 0) }}',
  'a range of ranges': '{% for i in range(1000) %}{% set x = range(100000) | list %}{% endfor %}',
  'a text times 10^9': '{{ "a" * 1000000000 }}',
  'a list times 10^9': '{{ [1] * 1000000000 }}',
  'a power of powers': '{{ 9 ** 9 ** 9 ** 9 }}',
  'texts that double': doubling('{% set ns.s = ns.s ~ ns.s %}'),
  'texts that double by plus': doubling('{% set ns.s = ns.s + ns.s %}'),
  'texts that double by join': doubling('{% set ns.s = [ns.s, ns.s] | join %}'),
  'texts that double by format': doubling('{% set ns.s = "%s%s" | format(ns.s, ns.s) %}'),
  'texts that double by replace': doubling('{% set ns.s = ns.s | replace("a", "aa") %}'),
  'texts that double by method': doubling('{% set ns.s = ns.s.replace("a", "aa") %}'),
  'texts that double in a macro': doubling('{% macro f() %}{{ ns.s }}{{ ns.s }}{% endmacro %}{% set ns.s = f() %}'),
  'texts that double in a block': doubling('{% set x %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = x %}'),
  'texts that double in a filter': doubling('{% set x %}{% filter upper %}{{ ns.s }}{{ ns.s }}{% endfilter %}{% endset %}{% set ns.s = x %}'),
  'texts by json': doubling('{% set ns.s = (ns.s, ns.s) | tojson %}'),
  'texts by json by method': doubling('{% set ns.s = [ns.s, ns.s] | string %}'),
  'lists that double': doubling('{% set ns.l = ns.l + ns.l %}'),
  'lists in lists': `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l }}`,
  'lists in lists as json': `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l | tojson }}`,
  'lists in lists compared': `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l == ns.l }}`,
  'lists in lists searched': `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ 5 in ns.l }}`,
  'lists in lists counted': `${doubling('{% set ns.l = [ns.l, ns.l] %}')}{{ ns.l | length }}`,
  'maps in maps': `${doubling('{% set ns.l = {"a": ns.l, "b": ns.l} %}')}{{ ns.l }}`,
  'a namespace in itself': '{% set ns = namespace(a=1) %}{% set ns.a = [ns, ns] %}{{ ns.a | tojson }}',
  'a namespace in itself, written': '{% set ns = namespace(a=1) %}{% set ns.a = ns %}{{ ns }}{{ ns.a }}{{ [ns] }}',
  'a macro that calls itself': '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
  'a macro that calls itself twice': '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
  'macros that call each other': '{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}',
  'a macro with itself as caller': '{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% call f() %}{{ f() }}{% endcall %}{% endcall %}',
  'an indent of 10^8': '{{ "a\\nb" | indent(100000000) }}',
  'an indent of 10^8 by name': '{{ "a\\nb" | indent(width=100000000) }}',
  'json with an indent of 10^8': '{{ messages | tojson(indent=100000000) }}',
  'a centre of 10^9': '{{ "a" | center(1000000000) }}{{ "a".center(1000000000) }}',
  'zeros of 10^9': '{{ "1".zfill(1000000000) }}{{ "1".ljust(1000000000) }}',
  'a format of 10^9': '{{ "%1000000000d" | format(1) }}{{ "{:1000000000}".format(1) }}',
  'a join of long texts': `{% set x = range(50000) | join("${'y'.repeat(5000)}") %}`,
  'a join of joins': '{% set a = range(60000) | join("") %}{{ range(60000) | join(a) }}',
  'a replacement of nothing': '{% set a = range(100000) | join("") %}{{ a | replace("", a) }}',
  'a replacement of nothing by method': '{% set a = range(100000) | join("") %}{{ a.replace("", a) }}',
  'a search in a long text': '{% set a = range(200000) | join("a") %}{% set b = range(100000) | join("a") %}{{ (b ~ "x") in a }}',
  'a search, many times': '{% set a = range(200000) | join("a") %}{% for i in range(9999) %}{% if "zz" in a %}{% endif %}{% endfor %}',
  'a count, many times': '{% set a = range(200000) | join("a") %}{% for i in range(9999) %}{% set x = a | length %}{% set y = a.count("a") %}{% endfor %}',
  'upper case, many times': '{% set a = range(200000) | join("a") %}{% for i in range(99999) %}{% set x = a | upper %}{% endfor %}',
  'trims, many times': '{% set a = " " ~ (range(200000) | join("a")) ~ " " %}{% for i in range(99999) %}{% set x = a | trim %}{% set y = a.strip() %}{% endfor %}',
  'splits, many times': '{% set a = range(200000) | join("a") %}{% for i in range(999) %}{% set x = a.split("a") %}{% endfor %}',
  'slices, many times': '{% set a = range(200000) | join("a") %}{% for i in range(99999) %}{% set x = a[1:] %}{% set y = a[::-1] %}{% endfor %}',
  'sorts, many times': '{% set a = range(100000) | list %}{% for i in range(999) %}{% set x = a | sort(reverse=true) %}{% endfor %}',
  'selections, many times': '{% set a = range(100000) | list %}{% for i in range(999) %}{% set x = a | select("odd") | list %}{% endfor %}',
  'maps, many times': '{% set a = range(100000) | list %}{% for i in range(999) %}{% set x = a | map("string") | list %}{% endfor %}',
  'groups of groups': '{% set a = messages | groupby("role") %}{% for i in range(99999) %}{% set x = messages | groupby("role") %}{% endfor %}',
  'comparisons of long lists': '{% set a = range(100000) | list %}{% for i in range(9999) %}{% if a == a %}{% endif %}{% endfor %}',
  'searches in long lists': '{% set a = range(100000) | list %}{% for i in range(9999) %}{% if -1 in a %}{% endif %}{% endfor %}',
  'titles of long texts': '{% set a = range(200000) | join(" ") %}{% for i in range(999) %}{% set x = a | title %}{% set y = a | capitalize %}{% endfor %}',
  'json of long lists': '{% set a = range(100000) | list %}{% for i in range(999) %}{% set x = a | tojson %}{% endfor %}',
  'items of maps': '{% set d = {"a": 1} %}{% for i in range(999999) %}{% for k, v in d.items() %}{% endfor %}{% endfor %}',
  'dates': '{% for i in range(999999) %}{{ strftime_now("%Y" ~ "%d" ) }}{% endfor %}',
  'a date of a long format': '{{ strftime_now(range(200000) | join("%Y")) }}',
  'the constructor': "{{ ''.constructor.constructor('return process')() }}",
  'the constructor of a list': "{{ [].constructor }}{{ messages.constructor('x') }}{{ messages[0]['constructor']['constructor']('return 1')() }}",
  'prototypes': "{{ messages[0].__proto__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}{{ {}.__proto__.polluted }}",
  'prototypes that are set': '{% set ns = namespace(a=1) %}{% set ns.__proto__ = {"x": 1} %}{% set ns.constructor = 5 %}{{ ns.x }}{{ {}.x }}',
  'maps of prototypes': '{% set d = {"__proto__": {"x": 1}, "constructor": 2} %}{{ d.x }}{{ d["constructor"] }}{{ d.__proto__ }}',
  'globals': '{{ globalThis }}{{ process }}{{ require("fs") }}{{ self }}{{ this }}{{ import }}',
  'functions of functions': '{{ range.__globals__ }}{{ raise_exception.call(1) }}{{ range.bind }}{{ (range | string) }}',
  'imports': '{% import "fs" as fs %}{% include "/etc/passwd" %}{% extends "x" %}',
  'parentheses 50,000 deep': `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`,
  'lists 50,000 deep': `{{ ${'['.repeat(50_000)}1${']'.repeat(50_000)} }}`,
  'blocks 8,000 deep': `${'{% if true %}'.repeat(8000)}${'{% endif %}'.repeat(8000)}`,
  'loops 300 deep': `${'{% for i in [1, 2] %}'.repeat(300)}${'{% endfor %}'.repeat(300)}`,
  'nots 50,000 long': `{{ ${'not '.repeat(50_000)}true }}`,
  'minus signs': `{{ ${'-'.repeat(100_000)}1 }}`,
  'sums 50,000 long': `{{ 1${'+1'.repeat(50_000)} }}`,
  'members 20,000 long': `{{ messages${'.a'.repeat(20_000)} }}`,
  'calls 20,000 long': `{{ range${'()'.repeat(20_000)} }}`,
  'filters 20,000 long': `{{ "a"${'|upper'.repeat(20_000)} }}`,
  'conditions 10,000 long': `{{ 1${' if true else 1'.repeat(10_000)} }}`,
  'conditions of blocks 10,000 long': `{% if false %}${'{% elif false %}a'.repeat(10_000)}{% endif %}`,
  'white space of 100,000': `a${' '.repeat(100_000)}b`,
  'white space before blocks': chain(2000, `${' '.repeat(100)}{%- if true -%}${' '.repeat(20)}{%- endif -%}`),
  'line breaks and blanks': chain(1000, `\n${' \t'.repeat(100)}`),
  'open brackets': '{'.repeat(100_000),
  'open statements': '{% '.repeat(50_000),
  'open expressions': '{{ '.repeat(50_000),
  'open comments': '{#'.repeat(50_000),
  'a comment without an end': `{#${'a'.repeat(100_000)}`,
  'quotes without an end': `{{ "${'a'.repeat(100_000)}`,
  'quotes that are escaped': `{{ "${'\\"'.repeat(50_000)}`,
  'backslashes': `{{ "${'\\'.repeat(100_000)}" }}`,
  'a number of 100,000 digits': `{{ ${'9'.repeat(100_000)} }}`,
  'a number of many dots': `{{ 1${'.1'.repeat(20_000)} }}`,
  'a name of 100,000 letters': `{{ ${'a'.repeat(100_000)} }}`,
  'generation blocks': '{% generation %}'.repeat(10_000),
  'generation blocks that end': '{% endgeneration %}'.repeat(10_000),
  'generation and blanks': `{%${' '.repeat(200)}`.repeat(1000),
  'length': 'a'.repeat(300_000),
  '10 MB': 'a'.repeat(1e7),
  'nothing': '',
  'no end': '{% if',
  'no beginning': '{% endif %}{% endfor %}{% endmacro %}',
  'an unknown filter': '{{ "a" | shout }}',
  'an unknown test': '{{ 1 is shouted }}',
  'an unknown method': '{{ "a".shout() }}',
  'an unknown statement': '{% shout %}',
  'an error of its own': '{{ raise_exception("no") }}',
  'an error of 1 MB': '{{ raise_exception(range(100000) | join("aaaaaaaaaa")) }}',
  'an error that is no text': '{{ raise_exception(messages) }}{{ raise_exception() }}',
  'a call of nothing': '{{ nothing() }}',
  'a call of a text': '{{ "a"() }}',
  'a loop over a number': '{% for i in 5 %}{% endfor %}',
  'a loop over nothing': '{% for i in nothing %}{% endfor %}',
  'a loop over a text': '{% set a = range(200000) | join("a") %}{% for c in a %}{% endfor %}',
  'a loop that calls itself': '{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}',
  'variables that shadow': '{% set range = 5 %}{% set messages = messages %}{% set raise_exception = 1 %}{{ range }}',
  'lone surrogates': '\ud800{{ "\udc00" }}\ud800',
  'marks of the package': '\u{f0000}\u{f0001}\u{f0002}\u{f0003}\u{f0004}{{ messages[0].content }}',
  'divisions by zero': '{{ 1 / 0 }}{{ 0 / 0 }}{{ 1 // 0 }}{{ 1 % 0 }}',
  'indices that are none': '{{ messages[1e9] }}{{ messages[-5] }}{{ "a"[99] }}{{ messages["x"] }}{{ messages[none] }}',
  'slices that are none': '{{ messages[::0] }}',
  'slices that are none by far': '{{ "abc"[-1000000000:1000000000:1] }}{{ (range(9) | list)[::-1000000000] }}',
  'unpacking': '{% for a, b, c in [[1, 2]] %}{% endfor %}{% set a, b = 5 %}',
  'spread arguments': '{{ range(*(range(99999) | list)) }}{{ "a".replace(*["a", "b"]) }}',
  'keys that are lists': '{{ {[1]: 2, none: 3, {}: 4} }}',
  'break and continue': '{% break %}{% continue %}{% for i in range(9) %}{% break %}{% endfor %}',
} // prettier-ignore

/** Chats and variables that mean harm to a template in use. */
const usual = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
const chats: Record<string, () => unknown> = {
  'content of 10 MB': () => [{ role: 'user', content: 'a'.repeat(1e7) }],
  'content of special tokens': () => [{ role: 'user', content: '<|endoftext|>'.repeat(50_000) }],
  '100,000 messages': () => Array.from({ length: 100_000 }, () => ({ role: 'user', content: 'a' })),
  'no messages': () => [],
  'messages that are a text': () => 'hello',
  'a message in itself': () => {
    const message: Record<string, unknown> = { role: 'user' }
    message['content'] = message
    return [message]
  },
  'a message 1,000 deep': () => [{ role: 'user', content: JSON.parse('['.repeat(1000) + ']'.repeat(1000)) as unknown }],
  'a message with a function': () => [{ role: 'user', content: () => 1 }],
  'a message that is infinite': () => [{ role: 'user', content: Infinity }],
  'a message with prototypes': () => [JSON.parse('{"role":"user","content":"a","__proto__":{"x":1},"constructor":1}') as unknown],
  'a message that throws': () => [Object.defineProperty({ role: 'user' }, 'content', { enumerable: true, get: () => { throw new Error('no') } })],
  'a role that is missing': () => [{ content: 'a' }],
  'a role of lone surrogates': () => [{ role: '\ud800', content: '\udc00'.repeat(50_000) }],
  'marks of the package': () => [{ role: 'user', content: '\u{f0000}\u{f0001}\u{f0002}'.repeat(30_000) }],
} // prettier-ignore

/** A tokenizer with special tokens that make looking for them in a chat as hard as can be. */
const namesOfRuns = {
  ...(moby() as { added_tokens: object[] }),
  added_tokens: [
    ...(moby() as { added_tokens: object[] }).added_tokens,
    ...[`${'a'.repeat(20_000)}b`, `${'a'.repeat(10_000)}c`, ...Array.from({ length: 500 }, (_, i) => `${'a'.repeat(i + 1)}|`)].map((content, i) => ({
      id: 1024 + i, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true,
    })),
  ],
} // prettier-ignore

const messages: readonly ChatMessage[] = [
  { role: 'system', content: 'You help.' },
  { role: 'user', content: 'Who are you? <|endoftext|>' },
]

const render = (name: string, file: () => unknown, given: () => unknown, template: string): HostileCase => ({
  name: `chat template: ${name}`,
  byHand: true,
  prepare: () => {
    const tokenizer = Tokenizer.fromJSON(file())
    const chat = given()
    return async () => {
      const ids = await tokenizer.applyChatTemplate(chat as readonly ChatMessage[], { template })
      return tokenizer.decode(ids)
    }
  },
})

export const templates: readonly HostileCase[] = [
  ...Object.entries(sources).map(([name, template]) => render(name, moby, () => messages, template)),
  ...Object.entries(chats).map(([name, chat]) => render(`a chat with ${name}`, moby, chat, usual)),
  render(
    'special tokens of runs',
    () => namesOfRuns,
    () => [{ role: 'user', content: 'a'.repeat(100_000) }],
    usual,
  ),
]
