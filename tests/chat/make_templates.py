"""Writes templates.json: what Jinja makes of chat templates in the style of each model family.

Usage: make_templates.py OUTPUT (needs jinja2; run once when a case is added).

The templates are octet's own, with the constructs that the families' templates use. They are run
with the settings of transformers' apply_chat_template: a sandbox, trim_blocks and lstrip_blocks,
loop controls, generation blocks, json.dumps as `tojson`. `raises` is what stands for an error.
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2026, 7, 24, 13, 5, 0)

TEMPLATES = {
    "llama2": """{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}\
{% set opening = messages[0]['content'] %}{% else %}{% set rest = messages %}\
{% set opening = false %}{% endif %}{% for m in rest %}\
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('turns must alternate, beginning with the user') }}{% endif %}\
{% if loop.index0 == 0 and opening != false %}\
{% set text = '<<RULES>>\\n' + opening + '\\n<</RULES>>\\n\\n' + m['content'] %}\
{% else %}{% set text = m['content'] %}{% endif %}\
{% if m['role'] == 'user' %}{{ bos_token + '[ASK] ' + text.strip() + ' [/ASK]' }}\
{% elif m['role'] == 'assistant' %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}\
{% endfor %}
""",
    "llama3": """{% set turns = messages %}{% for m in turns %}\
{% set text = '<|head|>' + m['role'] + '<|/head|>\n\n' + m['content'] | trim + '<|over|>' %}\
{% if loop.index0 == 0 %}{% set text = bos_token + text %}{% endif %}{{ text }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}""",
    "llama3.1_tools": """\
{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not in_user_turn is defined %}
    {%- set in_user_turn = true %}
{%- endif %}
{%- if not today is defined %}
    {%- if strftime_now is defined %}
        {%- set today = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set today = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system message goes into a block of its own. #}
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set rules = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set rules = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Runtime: ipython\\n" }}
{%- endif %}
{{- "Date: " + today + "\\n\\n" }}
{%- if tools is not none and not in_user_turn %}
    {{- "Functions:\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- rules }}
{{- "<|over|>" }}
{%- if in_user_turn and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content'] | trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("A first user message must hold the functions!") }}
    {%- endif %}
    {{- '<|head|>user<|/head|>\\n\\nAnswer with a call {"name": …, "parameters": {…}}.\\n\\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first + "<|over|>" }}
{%- endif %}
{%- for m in messages %}
    {%- if not (m.role == 'ipython' or m.role == 'tool' or 'tool_calls' in m) %}
        {{- '<|head|>' + m['role'] + '<|/head|>\\n\\n' + m['content'] | trim + '<|over|>' }}
    {%- elif 'tool_calls' in m %}
        {%- if not m.tool_calls | length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- '<|head|>assistant<|/head|>\\n\\n' -}}
        {{- '{"name": "' + call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}" }}
        {{- "<|over|>" }}
    {%- elif m.role == "tool" or m.role == "ipython" %}
        {{- "<|head|>ipython<|/head|>\\n\\n" }}
        {%- if m.content is mapping or m.content is iterable and m.content is not string %}
            {{- m.content | tojson }}
        {%- else %}
            {{- m.content }}
        {%- endif %}
        {{- "<|over|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
""",
    "mistral_v1": """{{ bos_token }}{% for m in messages %}\
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('user and assistant take turns') }}{% endif %}\
{% if m['role'] == 'user' %}{{ '[ASK] ' + m['content'] + ' [/ASK]' }}\
{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token + ' ' }}\
{% else %}{{ raise_exception('Only user and assistant!') }}{% endif %}{% endfor %}""",
    "mistral_v3_tools": """\
{%- if messages[0]["role"] == "system" %}
    {%- set rules = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set asked = turns | selectattr("role", "equalto", "user") | list %}

{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for m in turns %}
    {%- if not (m.role == "tool" or m.role == "tool_results" or (m.tool_calls is defined and m.tool_calls is not none)) %}
        {%- if (m["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("user and assistant take turns") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for m in turns %}
    {%- if m["role"] == "user" %}
        {%- if tools is not none and (m == asked[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and rules is defined %}
            {{- "[ASK] " + rules + "\\n\\n" + m["content"] + "[/ASK]" }}
        {%- else %}
            {{- "[ASK] " + m["content"] + "[/ASK]" }}
        {%- endif %}
    {%- elif m.tool_calls is defined and m.tool_calls is not none %}
        {{- "[CALLS] [" }}
        {%- for call in m.tool_calls %}
            {%- set out = call.function|tojson %}
            {{- out[:-1] }}
            {%- if not call.id is defined or call.id|length < 9 %}
                {{- raise_exception("a call needs an id of 9 characters or more") }}
            {%- endif %}
            {{- ', "id": "' + call.id[-9:] + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif m["role"] == "assistant" %}
        {{- " " + m["content"]|trim + eos_token}}
    {%- elif m["role"] == "tool_results" or m["role"] == "tool" %}
        {%- if m.content is defined and m.content.content is defined %}
            {%- set content = m.content.content %}
        {%- else %}
            {%- set content = m.content %}
        {%- endif %}
        {{- '[RESULTS] {"content": ' + content|string + ", " }}
        {{- '"id": "' + m.tool_call_id[:9] + '"}[/RESULTS]' }}
    {%- else %}
        {{- raise_exception("this role is not known") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}\
{{ raise_exception('No system role here') }}{% endif %}{% for m in messages %}\
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Roles take turns') }}{% endif %}\
{% if (m['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}\
{% endif %}{{ '<turn>' + role + '\n' + m['content'] | trim + '<end>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}""",
    "gemma3": """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set prefix = "" -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for m in turns -%}
    {%- set role = "model" if m['role'] == 'assistant' else m['role'] -%}
    {{ '<turn>' + role + '\n' + (prefix if loop.first else "") }}
    {%- if m['content'] is string -%}
        {{ m['content'] | trim }}
    {%- elif m['content'] is iterable -%}
        {%- for part in m['content'] -%}
            {%- if part['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif part['type'] == 'text' -%}
                {{ part['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("this content is not known") }}
    {%- endif -%}
    {{ '<end>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model\n'}}
{%- endif -%}
""",
    "qwen2.5_tools": """\
{%- if tools %}
    {{- '<|begin|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a careful assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Functions\\n\\nThey stand between <tools></tools>:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nCall one with:\\n<tool_call>\\n{\\"name\\": <name>}\\n</tool_call><|end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|begin|>system\\n' + messages[0]['content'] + '<|end|>\\n' }}
    {%- else %}
        {{- '<|begin|>system\\nYou are a careful assistant.<|end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for m in messages %}
    {%- if (m.role == "user") or (m.role == "system" and not loop.first) or (m.role == "assistant" and not m.tool_calls) %}
        {{- '<|begin|>' + m.role + '\\n' + m.content + '<|end|>' + '\\n' }}
    {%- elif m.role == "assistant" %}
        {{- '<|begin|>' + m.role }}
        {%- if m.content %}
            {{- '\\n' + m.content }}
        {%- endif %}
        {%- for tool_call in m.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|end|>\\n' }}
    {%- elif m.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|begin|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- m.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|begin|>assistant\\n' }}
{%- endif %}
""",
    "qwen3_thinking": """\
{%- if messages[0].role == 'system' %}
    {{- '<|begin|>system\\n' + messages[0].content + '<|end|>\\n' }}
{%- endif %}
{%- set ns = namespace(searching=true, last_question=messages|length - 1) %}
{%- for m in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and m.role == "user" and m.content is string and not(m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last_question = index %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- if m.content is string %}
        {%- set content = m.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (m.role == "user") or (m.role == "system" and not loop.first) %}
        {{- '<|begin|>' + m.role + '\\n' + content + '<|end|>' + '\\n' }}
    {%- elif m.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if m.reasoning_content is string %}
            {%- set reasoning = m.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_question and (loop.last or reasoning) %}
            {{- '<|begin|>' + m.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|begin|>' + m.role + '\\n' + content }}
        {%- endif %}
        {%- if m.tool_calls %}
            {%- for call in m.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {{- '<tool_call>' ~ call.function.name ~ '(' }}
                {%- if call.function.arguments is string %}
                    {{- call.function.arguments }}
                {%- else %}
                    {{- call.function.arguments | tojson }}
                {%- endif %}
                {{- ')</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|end|>\\n' }}
    {%- elif m.role == "tool" %}
        {%- if loop.first or (loop.previtem.role != "tool") %}
            {{- '<|begin|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>' ~ content ~ '</tool_response>' }}
        {%- if loop.last or (loop.nextitem.role != "tool") %}
            {{- '<|end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|begin|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "phi3": """{% for m in messages %}{% if m['role'] == 'system' and m['content'] %}\
{{'<|system|>\n' + m['content'] + '<|end|>\n'}}{% elif m['role'] == 'user' %}\
{{'<|user|>\n' + m['content'] + '<|end|>\n'}}{% elif m['role'] == 'assistant' %}\
{{'<|assistant|>\n' + m['content'] + '<|end|>\n'}}{% endif %}{% endfor %}\
{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}""",
    "zephyr": """{% for m in messages %}
{% if m['role'] == 'user' %}
{{ '<|user|>
' + m['content'] + eos_token }}
{% elif m['role'] == 'system' %}
{{ '<|system|>
' + m['content'] + eos_token }}
{% elif m['role'] == 'assistant' %}
{{ '<|assistant|>
'  + m['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "deepseek": """{% if not add_generation_prompt is defined %}\
{% set add_generation_prompt = false %}{% endif %}\
{% set ns = namespace(first=false, result=false, rules='', several=false) %}\
{%- for m in messages %}{%- if m['role'] == 'system' %}{% set ns.rules = m['content'] %}\
{%- endif %}{%- endfor %}{{bos_token}}{{ns.rules}}{%- for m in messages %}\
{%- if m['role'] == 'user' %}{%- set ns.result = false -%}{{'<｜Asks｜>' + m['content']}}{%- endif %}\
{%- if m['role'] == 'assistant' and 'tool_calls' in m %}{%- set ns.first = false -%}\
{%- for call in m['tool_calls'] %}{%- if not ns.first %}{%- if not m['content'] %}\
{{'<｜Says｜><｜calls｜>' + call['type'] + '<｜sep｜>' + call['function']['name'] + '\\n' + \
'```json' + '\\n' + call['function']['arguments']|tojson + '\\n' + '```'}}{%- else %}\
{{'<｜Says｜>' + m['content'] + '<｜calls｜>' + call['function']['name']}}{%- endif %}\
{%- set ns.first = true -%}{%- else %}{{'\\n<｜call｜>' + call['function']['name']}}{%- endif %}\
{%- endfor %}{{'<｜/calls｜>'}}{%- elif m['role'] == 'assistant' and m['content'] is not none %}\
{% set content = m['content'] %}{% if '</think>' in content %}\
{% set content = content.split('</think>')[-1] %}{% endif %}\
{{'<｜Says｜>' + content + eos_token}}{%- endif %}{%- if m['role'] == 'tool' %}\
{%- set ns.result = true -%}{{'<｜result｜>' + m['content'] + '<｜/result｜>'}}{%- endif %}\
{%- endfor -%}{% if add_generation_prompt and not ns.result %}{{'<｜Says｜><think>\\n'}}{% endif %}""",
    "chatml_default_system": """{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|begin|>system
You are a small model<|end|>
' }}{% endif %}{{'<|begin|>' + m['role'] + '
' + m['content'] + '<|end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|begin|>assistant
' }}{% endif %}""",
    "command_r_tools": """{{ bos_token }}{%- macro type_of(schema, indent=0) -%}
{%- set names = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"} -%}
{%- if schema.type is string and schema.type in names -%}{{ names[schema.type] }}
{%- elif schema.type == "array" -%}{{ "List[" + type_of(schema["items"]) + "]" }}
{%- elif schema.type == "object" -%}
{{ "Dict[" ~ schema.properties.values() | map(attribute="type") | unique | join(" | ") ~ "]" }}
{%- elif schema.type is iterable and schema.type is not string -%}
{%- for part in schema.type -%}{{ type_of({"type": part}) }}{% if not loop.last %} or {% endif %}{%- endfor -%}
{%- else -%}Any{%- endif -%}
{%- endmacro -%}
{%- macro describe(tool) %}
def {{ tool.name }}(
{%- for name, schema in tool.parameters.properties | dictsort %}
{%- if name not in tool.parameters.required | default([]) %}{% set t = "Optional[" ~ type_of(schema) ~ "]" %}
{%- else %}{% set t = type_of(schema) %}{% endif %}
{{ name }}: {{ t }}{{ ", " if not loop.last }}
{%- endfor %}) -> {{ type_of(schema=tool.return | default({"type": "object", "properties": {}}), indent=2) }}:
    \"\"\"{{ tool.description | default("", true) | replace("\\n", " ") | title }}\"\"\"
{% endmacro %}
{%- if messages[0]['role']=='system' %}{%- set turns = messages[1:] %}{%- set rules = messages[0]['content'] %}
{%- else %}{%- set turns = messages %}{%- set rules = 'You help with <things> & more.' %}{%- endif %}
{{- '<|turn|><|system|># Rules\n' + rules }}
{%- if tools %}
## Functions
{%- for tool in tools %}
{{ describe(tool.function) | indent(2) | trim }}
{%- endfor %}{%- endif %}{{ '<|/turn|>' }}
{%- for m in turns %}
{%- if m.role == 'tool' %}{%- if loop.previtem and loop.previtem.role == 'tool' %}{% continue %}{% endif -%}
{{ '<|turn|><|system|><results>' }}{% for r in turns[loop.index0:] %}{% if r.role != 'tool' %}{% break %}{% endif %}
{{ loop.index0 ~ ': ' ~ r.content }}{% endfor %}{{ '</results><|/turn|>' }}
{%- elif m.tool_calls %}{{ '<|turn|><|chat|>Action: ' ~ m.tool_calls | map(attribute='function') | map('tojson', indent=none) | join(', ') ~ '<|/turn|>' }}
{%- else %}{{ '<|turn|><|' ~ {'user': 'user', 'assistant': 'chat'}[m.role] ~ '|>' ~ m.content | trim ~ '<|/turn|>' }}{%- endif %}
{%- endfor %}{%- if add_generation_prompt %}{{ '<|turn|><|chat|>' }}{%- endif %}""",
    "generation_marks": """{%- for m in messages -%}
{%- if m.role == "assistant" -%}
<a>{% generation %}{{ m.content }}{% set inner = 1 %}</a>{% endgeneration %}
{%- else -%}
<u>{{ m.content }}</u>{{ inner is defined }}
{%- endif -%}
{% endfor %}
""",
}

USER, ASSISTANT = "user", "assistant"


def message(role, content, **more):
    return {"role": role, "content": content, **more}


WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The <weather> of a\ncity & more",
    "parameters": {"type": "object", "properties": {
        "unit": {"type": "string", "enum": ["°C", "F"]},
        "city": {"type": "string", "description": "e.g. \"Zürich\""},
        "days": {"type": "array", "items": {"type": "integer"}},
        "at": {"type": ["number", "null"]}}, "required": ["city"]},
    "return": {"type": "string"}}}
CLOCK = {"type": "function", "function": {
    "name": "clock", "description": "", "parameters": {"type": "object", "properties": {}}}}


def call(arguments, identifier="call-000001"):
    return {"id": identifier, "type": "function",
            "function": {"name": "weather", "arguments": arguments}}


CONVERSATIONS = {
    "one_question": {"messages": [message(USER, "What is the capital of France?")]},
    "system": {"messages": [message("system", "Be brief.\n"), message(USER, " Hi \n")]},
    "turns": {"messages": [message("system", "Be brief."), message(USER, "Hi 👋"),
                           message(ASSISTANT, "<think>\nA wave.\n</think>\n\nHello!"),
                           message(USER, "Bye…")]},
    "ends_with_answer": {"messages": [message(USER, "Hi"), message(ASSISTANT, "Hello")],
                         "add_generation_prompt": False},
    "tools": {"messages": [
        message("system", "Use tools."), message(USER, "Weather in Bern?"),
        message(ASSISTANT, None, tool_calls=[
            call({"city": "Bern", "days": [1, 2], "unit": "°C", "at": 0.5, "x": None, "y": True})]),
        message("tool", '{"sky": "grey"}', tool_call_id="call-000001", name="weather"),
        message(ASSISTANT, "Grey."), message(USER, "Thanks")], "tools": [WEATHER, CLOCK]},
    "two_results": {"messages": [
        message(USER, "Bern and Rome?"),
        message(ASSISTANT, "Well:", tool_calls=[call({"city": "Bern"}, "id-000001a"),
                                                call({"city": "Rome"}, "id-000001b")]),
        message("tool", "1", tool_call_id="id-000001a"),
        message("tool", "2", tool_call_id="id-000001b")], "tools": [WEATHER]},
    "parts": {"messages": [message(USER, [{"type": "image"}, {"type": "text", "text": " look "}])]},
    "no_thinking": {"messages": [message(USER, "Hi")], "enable_thinking": False},
    "reasoning": {"messages": [message(USER, "Hi"), message(ASSISTANT, "Yo", reasoning_content="r")]},
    "wrong_order": {"messages": [message(ASSISTANT, "Hi"), message(USER, "What?")]},
}


class GenerationMarks(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("pass_on"), [], [], body).set_lineno(line)

    def pass_on(self, caller):
        return caller()


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationMarks, jinja2.ext.loopcontrols])

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def raise_exception(text):
        raise jinja2.exceptions.TemplateError(text)

    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def rendered(template, variables):
    try:
        return {"text": template.render(**variables)}
    except (jinja2.exceptions.TemplateError, TypeError) as error:
        return {"raises": str(error)}


def main():
    made = environment()
    variables = {name: {"tools": None, "add_generation_prompt": True, "bos_token": "<s>",
                        "eos_token": "</s>", **given} for name, given in CONVERSATIONS.items()}
    expected = {name: {conversation: rendered(made.from_string(text), given)
                       for conversation, given in variables.items()}
                for name, text in TEMPLATES.items()}
    document = {"jinja2": jinja2.__version__, "now": NOW.isoformat(), "templates": TEMPLATES,
                "variables": variables, "expected": expected}
    pathlib.Path(sys.argv[1]).write_text(
        json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
