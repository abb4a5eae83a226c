import pytest

pytest.importorskip("jinja2")

from keras_attention.tasks.generation.chat_template import ChatTemplate

CHATML = """\
{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}
{%- endif %}
{% for message in messages %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message['content'] | trim }}
    {{- '<|im_end|>' + '\\n' }}
    {% if not loop.last and loop.length > 2 %}{{ loop.index0 }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{% endif %}
"""
HEADERS = """\
{{- bos_token }}
{%- set ns = namespace(seen=0, said='') %}
{%- macro header(role) %}
    {{- '<|start_header_id|>' + role + '<|end_header_id|>\\n\\n' }}
{%- endmacro %}
{%- if tools is not none and tools %}
    {{- header('system') }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=2) }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '<|eot_id|>' }}
{%- endif %}
{%- for message in messages if message.role != 'note' %}
    {%- set ns.seen = ns.seen + 1 %}
    {%- if message.role == 'assistant' %}
        {%- generation %}{{ header(message.role) + message.content }}
        {%- endgeneration %}
    {%- else %}
        {{- header(message.role) + message.content | trim + '<|eot_id|>' }}
    {%- endif %}
    {%- if ns.seen > 3 %}{% break %}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ header('assistant') }}{% endif -%}
"""
INSTRUCTIONS = """\
{%- if messages[0]["role"] == "system" %}
    {%- set system = messages[0]["content"] %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in rest %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("user and assistant must take turns") }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system is defined %}
            {{- "[INST] " + system + "\\n\\n" }}
            {{- message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- else %}
        {{- " " + message["content"] | trim + eos_token }}
    {%- endif %}
{%- endfor %}
"""
TEMPLATES = {"chatml": CHATML, "headers": HEADERS, "turns": INSTRUCTIONS}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL = {"name": "weather", "note": "<where> & 'when' in Zürich"}
CHATS = [
    [{"role": "user", "content": "  How are you?\n"}],
    [
        {"role": "system", "content": "Answer in <b>German</b>."},
        {"role": "user", "content": "Hello & good day 👋"},
        {"role": "assistant", "content": " Guten Tag! "},
        {"role": "user", "content": "Wie geht's?"},
    ],
]


@pytest.mark.parametrize("name", TEMPLATES)
def test_chats_become_the_prompts_of_transformers(name):
    oracle = pytest.importorskip("transformers.utils.chat_template_utils")
    template = ChatTemplate(TEMPLATES[name], TOKENS)
    for asks in (True, False):
        for tools in (None, [TOOL]):
            given = {"add_generation_prompt": asks, "tools": tools}
            expected, _ = oracle.render_jinja_template(
                CHATS, chat_template=TEMPLATES[name], **given, **TOKENS
            )
            found = [template.render(chat, **given) for chat in CHATS]
            assert found == expected
    assert all(found)


def test_a_template_that_refuses_a_chat_is_quoted():
    template = ChatTemplate(INSTRUCTIONS, TOKENS)
    with pytest.raises(ValueError, match="must take turns"):
        template.render([CHATS[0][0], CHATS[0][0]])


@pytest.mark.parametrize(
    "source, reason",
    [
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{{ (messages | first | attr('__class__')) }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ messages.__init__.__globals__ }}", "unsafe"),
        ("{{ namespace(__class__=1) }}", "underscore"),
        ("{% include '/etc/passwd' %}", "loader"),
        ("{% for i in range(10**9) %}{% endfor %}", "too big"),
        (
            "{% set r = range(99999) %}{% for i in r %}{% for j in r %}"
            "{% endfor %}{% endfor %}",
            "steps",
        ),
        pytest.param(
            "{% for i in range(99999) %}{{ r | sum }}{% endfor %}",
            "steps",
            marks=pytest.mark.full,
        ),
        ("{{ 'x' * 10**9 }}", "longer"),
        ("{{ 'x'.ljust(10**9) }}", "larger"),
        ("{{ 'x' | center(10**9) }}", "larger"),
        ("{{ 9**9**9 }}", "power"),
        ("{{ '%999999999d' % 1 }}", "widths"),
        ("{{ '%*d' % (999999999, 1) }}", "widths"),
        ("{{ '%999999999d' | format(1) }}", "widths"),
        ("{{ '{:>999999999}'.format(1) }}", "widths"),
        ("{{ '{:{w}}'.format(1, w=999999999) }}", "widths"),
        ("{{ ('{0}' * 9999).format('x' * 9999) }}", "longer"),
        ("{{ ('x' * 9999).replace('x', 'y' * 9999) }}", "longer"),
        ("{{ ('x' * 9999) | replace('x', 'y' * 9999) }}", "longer"),
        ("{{ ('x' * 9999).join('y' * 9999) }}", "longer"),
        ("{{ ('x' * 9999) | join('y' * 9999) }}", "longer"),
        ("{{ ('y' * 9999).join(range(9999) | map('string')) }}", "longer"),
        ("{{ ('\\t' * 9999).expandtabs(9999) }}", "longer"),
        ("{{ ('\\n' * 9999) | indent('x' * 9999) }}", "longer"),
        ("{{ ['x' * 9999] * 9999 }}", "longer"),
        ("{{ [1] | tojson(indent=999999999) }}", "indent"),
        (
            "{% set n = namespace(x=9) %}{% for i in range(60) %}"
            "{% set n.x = n.x * n.x %}{% endfor %}",
            "bits",
        ),
        (
            "{% set n = namespace(x='x') %}{% for i in range(99) %}"
            "{% set n.x = n.x ~ n.x %}{% endfor %}",
            "longer",
        ),
        (
            "{% set n = namespace(x='x') %}{% for i in range(99) %}"
            "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
            "steps|longer",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "Recursion"),
        ("{{ 1 / 0 }}", "zero"),
        ("{{ missing.name }}", "undefined"),
        ("{% if %}", "Expected"),
    ],
)
def test_what_a_template_must_not_do_is_one_clear_error(source, reason):
    with pytest.raises(ValueError, match=f"The chat template.*({reason})"):
        template = ChatTemplate(source)
        template.render([{"role": "user", "content": "?"}], r=range(99999))


def test_limits_leave_room_for_a_long_chat():
    oracle = pytest.importorskip("transformers.utils.chat_template_utils")
    source = (
        "{{ ', '.join(messages | map(attribute='role')) }}"
        "{{ '20241231: %5.1f %-8s|%d%%' % (1.25, 'x', 3) }}"
        "{{ '{:>8} {a!r}'.format(12345678, a='20241231') }}"
        "{{ messages[:3] | tojson(indent=4) | indent(2) }}"
        "{% for message in messages %}"
        "{% if loop.index == messages | length %}last {% endif %}"
        "{{ '%s: %s' % (message.role, message.content.replace('a', 'b')) }}"
        "{% endfor %}"
    )
    chat = CHATS[1] * 250
    (expected,), _ = oracle.render_jinja_template([chat], chat_template=source)
    found = ChatTemplate(source).render(chat, add_generation_prompt=False)
    assert found == expected


@pytest.mark.parametrize("messages", ["Hello", [], [{}], {"role": "user"}, [1]])
def test_what_is_no_chat_is_refused(messages):
    with pytest.raises(ValueError, match="role"):
        ChatTemplate(CHATML).render(messages)
