"""The pages of the portal that stands in for the real one, as plain as they can be.

One small script is all that the hand-off needs: it takes the fragment out of the address, and posts it to the portal.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from jinja2 import Environment, StrictUndefined

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# For /start and /return: the fields of the form are the parameters of the fragment.
SCRIPT = """
"use strict";
const parameters = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
const form = document.forms[0];
if (Array.from(form.elements).every((field) => !field.name || parameters.has(field.name))) {
  for (const field of form.elements) if (field.name) field.value = parameters.get(field.name);
  form.submit();
}
"""

_environment = Environment(autoescape=True, undefined=StrictUndefined)

_FRAME = """<!doctype html><html lang="ja"><head><meta charset="utf-8"><title>{{ title }}</title></head><body><main>
<h1>{{ title }}</h1>
%s
</main></body></html>"""

_RELAY = _environment.from_string(
    _FRAME
    % """<p>自動的に次の画面へ進みます。進まない場合は、はじめの画面からやり直してください。</p>
<noscript><p>この画面では JavaScript を有効にしてください。</p></noscript>
<form method="post" action="{{ action }}">
{% for name in fields %}<input type="hidden" name="{{ name }}">{% endfor %}
</form><p><a href="/">はじめの画面</a></p><script src="/portal.js"></script>"""
)

_HOME = _environment.from_string(
    _FRAME
    % """{% if has_agent %}
{% for operation in operations %}
<form method="post" action="/begin"><button name="operation" value="{{ operation }}">{{ operation }}</button></form>
{% endfor %}
{% else %}
<p>ICカードを使うには、はじめにパソコンでカードエージェントを起動し、その画面からこのサイトを開いてください。</p>
<p>カードエージェントは、スタートメニューの「Toroku カードエージェント」から起動します。</p>
{% endif %}"""
)

_HOP = _environment.from_string(
    _FRAME
    % """{% if problem %}<p id="problem">{{ problem }}</p><p>{{ next_step }}</p>{% endif %}
<p>次の画面が表示されない場合は、カードエージェントが起動していません。起動してから、その画面からこのサイトを
開いてください。</p>
<p><a id="agent" href="{{ address }}">カードエージェントへ進む</a></p>"""
)

_END = _environment.from_string(
    _FRAME % """<p id="{{ kind }}">{{ message }}</p><p>{{ next_step }}</p><p><a href="/">はじめの画面</a></p>"""
)


def render_relay(action: str, fields: tuple[str, ...]) -> str:
    """Returns a page whose script posts the fragment's parameters."""
    return _RELAY.render(title="しばらくお待ちください", action=action, fields=fields)


def render_home(operations: tuple[str, ...], *, has_agent: bool) -> str:
    """Returns the first page: the operations, or how to start the agent."""
    return _HOME.render(title="利用者登録", operations=operations, has_agent=has_agent)


def render_hop(address: str, problem: str, next_step: str) -> str:
    """Returns a page with the link to the agent; `problem` is what the agent said before."""
    return _HOP.render(title="ICカードの操作", address=address, problem=problem, next_step=next_step)


def render_end(kind: str, message: str, next_step: str = "") -> str:
    """Returns the last page of an operation; `kind` is `done` or `refused`."""
    return _END.render(title="結果", kind=kind, message=message, next_step=next_step)


def write_link(port: int, path: str, parameters: Mapping[str, str]) -> str:
    """Returns a link to the agent."""
    return f"http://127.0.0.1:{port}{path}?{urlencode(parameters)}"
