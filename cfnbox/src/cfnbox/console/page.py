"""The pages of the console as HTML. Every text is escaped."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2

from cfnbox.console import views
from cfnbox.console.inspection_api import PATH
from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cfnbox.aws.http import Answer
    from cfnbox.cloudformation.stacks import Stacks
    from cfnbox.console.concealment import Concealment
    from cfnbox.handlers.invocations import InvocationLog
    from cfnbox.sagemaker.service import SageMakerResource

_FILES = {"console.css": "text/css", "console.js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ConsolePage:
    """The pages of a cloud's console.

    `kept` tells what the local SageMaker holds, `write_only` which properties of a type are."""

    def __init__(
        self,
        stacks: Stacks,
        invocations: InvocationLog,
        concealment: Concealment,
        kept: Callable[[], Iterable[SageMakerResource]],
        write_only: views.WriteOnly,
    ) -> None:
        self._stacks, self._invocations, self._secrets = stacks, invocations, concealment.secrets
        self._kept, self._write_only = kept, write_only
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__, "."),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["json"] = lambda value: json.dumps(value, indent=2, default=str, ensure_ascii=False)
        self._templates.filters["status_class"] = views.status_class
        self._templates.filters["time"] = views.time_of_day

    def __call__(self, path: str, address: str) -> Answer | None:
        """Return the answer for a path below the console's path, or None if the path does not exist."""
        answer = self._answer(path)
        if answer is None:
            return None
        status, headers, content = answer
        return status, {**headers, "Content-Security-Policy": _policy(f"{address}{PATH}")}, content

    def _answer(self, path: str) -> Answer | None:
        if path in _FILES:
            content = resources.files(__package__).joinpath(path).read_text(encoding="utf-8")
            return _answer(content, _FILES[path])
        kind, _, name = path.partition("/")
        if path == "":
            return self._rendered("overview.html", **self._overview())
        if kind == "stacks":
            return self._stack(name)
        return self._invocation(name) if kind == "invocations" else None

    def _overview(self) -> dict[str, Any]:
        latest = self._invocations.all()[: -views.MOST_LINES - 1 : -1]
        hidden = frozenset[str]().union(*(self._secrets(one.id) for one in self._stacks))
        with self._stacks.changed:
            told = [(one.id, views.summary(one)) for one in reversed(list(self._stacks))]
        # Each with its own secrets: what a handler raised may hold the value of a dynamic reference.
        stacks = [secrets.hidden(one, self._secrets(stack_id)) for stack_id, one in told]
        return {
            "title": "local cloud",
            "stacks": stacks,
            "invocations": secrets.hidden([views.line(one) for one in latest], hidden),
            "kept": secrets.hidden([views.kept(one) for one in self._kept()], hidden),
        }

    def _stack(self, name: str) -> Answer | None:
        stack = next((one for one in self._stacks if one.id.endswith(f"/{name}")), None)
        if stack is None:
            return None
        with self._stacks.changed:
            told = views.stack(stack, self._write_only)
        lines = [views.line(one) for one in self._invocations.all(stack.id)[::-1]]
        shown = secrets.hidden({"stack": told, "invocations": lines}, self._secrets(stack.id))
        return self._rendered("stack.html", title=stack.name, **shown)

    def _invocation(self, number: str) -> Answer | None:
        found = self._invocations.find(int(number)) if number.isascii() and number.isdecimal() else None
        if found is None:
            return None
        told = views.invocation(found, self._write_only)
        others = [views.line(one) for one in self._invocations.all() if one.token == found.token]
        shown = secrets.hidden({"invocation": told, "others": others}, self._secrets(found.stack_id))
        return self._rendered("invocation.html", title=f"{found.action} {found.logical_id}".strip(), **shown)

    def _rendered(self, template: str, **values: Any) -> Answer:
        return _answer(self._templates.get_template(template).render(**values), "text/html")


def _policy(address: str) -> str:
    """Return the content security policy of a page: the browser loads and runs only the console's two files."""
    return (
        f"default-src 'none'; script-src {address}console.js; style-src {address}console.css; "
        f"connect-src {address}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _answer(content: str, kind: str) -> Answer:
    return 200, {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}, content.encode()
