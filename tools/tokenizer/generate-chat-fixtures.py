"""Writes packages/tokenizer/src/__fixtures__/chats.json: chats as transformers (pip) renders them by templates in the manner of those in use.

The templates are our own, in the style of each family. Run: python tools/tokenizer/generate-chat-fixtures.py
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

BOS, EOS = "<s>", "</s>"
TEMPLATES = {
    "chatml": """{%- for m in messages %}
    {{- '<|im_start|>' + m.role + '\\n' }}
    {%- if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
    {%- else %}{{ m['content'] + '<|im_end|>' + '\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set system = false %}{% endif %}
{%- for m in rest -%}
{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user and assistant take turns') }}{% endif %}
{%- if loop.first and system is not false %}{% set content = '<<SYS>>\\n' ~ system ~ '\\n<</SYS>>\\n\\n' ~ m.content %}{% else %}{% set content = m.content %}{% endif %}
{%- if m.role == 'user' %}{{ bos_token ~ '[INST] ' ~ content | trim ~ ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' ~ content | trim ~ ' ' ~ eos_token }}{% endif %}
{%- endfor %}""",
    "llama3-tools": """{{- bos_token }}
{%- if not date is defined %}{% set date = '26 Jul 2024' %}{% endif %}
{%- if messages[0].role == 'system' %}{% set system = messages[0].content | trim %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + date + '\\n' }}
{%- if tools is not none %}{{ 'Functions:\\n' }}{% for t in tools %}{{ t | tojson(indent=4) }}{{ '\\n\\n' }}{% endfor %}{% endif %}
{{- system + '<|eot_id|>' }}
{%- for m in messages %}
  {%- if m.role in ['tool', 'ipython'] %}
    {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
    {%- if m.content is mapping or m.content is iterable and m.content is not string %}{{ m.content | tojson }}{% else %}{{ m.content }}{% endif %}{{ '<|eot_id|>' }}
  {%- elif 'tool_calls' in m %}
    {%- if m.tool_calls | length != 1 %}{{ raise_exception('one call at a time') }}{% endif %}
    {%- set call = m.tool_calls[0].function %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", "parameters": ' }}{{ call.arguments | tojson }}{{ '}<|eot_id|>' }}
  {%- else %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}""",
    "mistral-tools": """{%- set loop_messages = messages | rejectattr('role', 'equalto', 'system') | list %}{%- set users = loop_messages | selectattr('role', 'equalto', 'user') | list %}
{{- bos_token }}
{%- for m in loop_messages %}
  {%- if m.role == 'user' %}
    {%- if tools is not none and m == users[-1] %}{{ '[AVAILABLE_TOOLS] [' }}{% for t in tools %}{{ t | tojson }}{{ ', ' if not loop.last else '' }}{% endfor %}{{ '][/AVAILABLE_TOOLS]' }}{% endif %}
    {{- '[INST] ' + m.content + '[/INST]' }}
  {%- elif m.tool_calls is defined and m.tool_calls is not none %}
    {{- '[TOOL_CALLS] [' }}{% for c in m.tool_calls %}{% set out = c.function | tojson %}{{ out[:-1] }}{{ ', "id": "' + c.id + '"}' }}{% endfor %}{{ ']' + eos_token }}
  {%- elif m.role == 'assistant' %}{{ ' ' + m.content | trim + eos_token }}
  {%- elif m.role == 'tool' %}{{ '[TOOL_RESULTS] {"content": ' + m.content | string + '}[/TOOL_RESULTS]' }}{% endif %}
{%- endfor %}""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}""",
    "phi3": """{% for m in messages %}{% if m['role'] in ['system', 'user', 'assistant'] %}{{'<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}""",
    "phi4": """{% for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' }}{% if m.role == 'assistant' %}{%- generation -%}  {{ m.content }}<|im_end|> {%- endgeneration -%}
 {% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}""",
    "qwen-tools": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}{{ 'You help.' }}{% endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}{% for tool in tools %}{{ "\\n" }}{{ tool | tojson }}{% endfor %}{{ "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}
{%- set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- if m.role == 'user' or m.role == 'assistant' and not m.tool_calls %}{{ '<|im_start|>' + m.role + '\\n' + (m.content.split('</think>')[-1].lstrip('\\n') if m.role == 'assistant' and loop.index0 < ns.last else m.content) + '<|im_end|>\\n' }}
    {%- elif m.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}{% if m.content %}{{ '\\n' + m.content }}{% endif %}
        {%- for c in m.tool_calls %}{% if c.function is defined %}{% set c = c.function %}{% endif %}{{ '\\n<tool_call>\\n{"name": "' }}{{ c.name }}{{ '", "arguments": ' }}{{ c.arguments | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}
    {%- elif m.role == 'tool' %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}{{ '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "deepseek": """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(system='') %}{%- for m in messages %}{%- if m['role'] == 'system' %}{% set ns.system = m['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system }}{%- for m in messages %}{%- if m['role'] == 'user' %}{{'<|User|>' + m['content']}}{%- endif %}{%- if m['role'] == 'assistant' and m['content'] is not none %}{% set content = m['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|end|>'}}{%- endif %}{%- endfor %}{% if add_generation_prompt %}{{'<|Assistant|><think>\\n'}}{% endif %}""",
    "command-r": """{{ bos_token }}{% macro turn(kind, text) -%}<|START|><|{{ kind | upper }}|>{{ text.strip() }}<|END|>{%- endmacro %}{% for m in messages %}{{ turn({'user': 'user', 'assistant': 'chatbot', 'system': 'system'}.get(m.role, 'user'), m.content or '') }}{% endfor %}{% if documents %}{{ '<results>' }}{% for d in documents %}{{ '\\nDocument: ' ~ loop.index0 }}{% for k, v in d.items() %}{{ '\\n' ~ k ~ ': ' ~ v }}{% endfor %}{% endfor %}{{ '</results>' }}{% endif %}{% if add_generation_prompt %}<|START|><|CHATBOT|>{% endif %}""",
    "hermes-tools": """{%- macro kind(spec) -%}{%- if spec.type == 'array' %}list[{{ kind(spec['items']) }}]{%- elif spec.type == 'string' %}str{%- else %}{{ spec.type }}{%- endif %}{%- endmacro -%}
{{- bos_token + '<|im_start|>system\\n' }}{% for t in tools or [] %}{{ 'def ' + t.function.name + '(' }}{% for name, spec in t.function.parameters.properties.items() %}{{ name + ': ' + kind(spec) }}{% if name not in t.function.parameters.required %}{{ ' = None' }}{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}{{ ')\\n' }}{% endfor %}{{ '<|im_end|>\\n' }}
{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "find_ship",
        "description": "Finds a ship's place, \"exact\" & quick <b>",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "years": {"type": "array", "items": {"type": "integer"}}},
            "required": ["name"],
        },
    },
}
CALL = {"id": "call00001", "type": "function", "function": {"name": "find_ship", "arguments": {"name": "Pequod", "years": [1851, 1852]}}}
SYSTEM = {"role": "system", "content": "You are a whaler.\nBe brief."}
TURNS = [
    {"role": "user", "content": "  Who are you? Write <|im_end|> and </s>.  "},
    {"role": "assistant", "content": "<think>\nname\n</think>\n\nCall me Ishmael. \U0001f40b"},
    {"role": "user", "content": "Où est le Pequod?"},
]
WITH_TOOLS = [*TURNS, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "name": "find_ship", "content": "{\"lat\": 1.5}", "tool_call_id": "call00001"}]
CHATS = [
    {"messages": TURNS, "addGenerationPrompt": True},
    {"messages": [SYSTEM, *TURNS]},
    {"messages": TURNS[:2], "continueFinalMessage": True},
    {"messages": WITH_TOOLS, "tools": [TOOL], "addGenerationPrompt": True},
    {"messages": TURNS[:1], "documents": [{"title": "Log", "text": "Fair wind."}, {"title": "Map", "text": "West"}]},
]


def answer_of(template, chat):
    """What transformers makes of a chat: its text and what the assistant generates, or the error."""
    try:
        rendered, ranges = render_jinja_template(
            conversations=[chat["messages"]],
            tools=chat.get("tools"),
            documents=chat.get("documents"),
            chat_template=template,
            return_assistant_tokens_mask="generation %}" in template or "generation -%}" in template,
            continue_final_message=chat.get("continueFinalMessage", False),
            add_generation_prompt=chat.get("addGenerationPrompt", False),
            bos_token=BOS,
            eos_token=EOS,
        )
    except Exception as error:
        return {"error": str(error)[:120]}
    # transformers counts code points.
    return {"text": rendered[0], "generated": [rendered[0][start:end] for start, end in (ranges[0] if ranges else [])]}


def main():
    cases = []
    for name, template in TEMPLATES.items():
        for chat in CHATS:
            case = {"template": name, **chat}
            case.update(answer_of(template, chat))
            cases.append(case)
    path = Path(__file__).resolve().parents[2] / "packages/tokenizer/src/__fixtures__/chats.json"
    path.write_text(json.dumps({"templates": TEMPLATES, "cases": cases}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(cases), "cases,", [(c["template"], c["error"]) for c in cases if "error" in c], path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
