"""Title, text and HTML of a notification: the operator's templates, and plain words whenever a template fails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from time import monotonic
from types import FrameType
from typing import Any, Final

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Notification, NotificationKind
from jobsight.notifiers.harmless import cut, harmless, one_line
from jobsight.notifiers.limits import (
    TEMPLATE_CHARACTERS_MAX,
    TEMPLATE_MS_MAX,
    TEXT_CHARACTERS_MAX,
    TITLE_CHARACTERS_MAX,
)
from jobsight.notifiers.plain import duration, facts, links, moment, passages, plain_text, plain_title, web_url
from jobsight.notifiers.threads import in_thread

HTML_CHARACTERS_MAX: Final = 400_000
"""Escaped text takes up to six characters for one, and the default page frames it."""

STUCK_MS: Final = 3 * TEMPLATE_MS_MAX + 500
"""Longer than title, text and page may take in all."""

COLOURS: Final[Mapping[str, str]] = {
    NotificationKind.RESOLVE: "#1a7f37",
    NotificationKind.ACKNOWLEDGE: "#0b5cad",
    NotificationKind.TEST: "#57606a",
    "critical": "#cf222e",
    "warning": "#bf8700",
}
"""Of the bar beside the title of the built-in page; what it says stands in the title as well."""

REPEATED_MAX: Final = 100_000
POWER_MAX: Final = 100


class Texts(Struct, frozen=True, kw_only=True):
    """
    A notification as people read it.

    Attributes:
        title: One harmless line.
        text: Harmless lines.
        html: A page in which every value is escaped; None where the channel shows none.
        problem: Why a template was passed over, for the operator.
    """

    title: str
    text: str
    html: str | None = None
    problem: str | None = None


class TemplateTooSlow(RuntimeError):
    """A template did not end in time."""


class Templates:
    """
    The templates of one channel. Each gets `n` (the notification), `title` and `text` (in plain words), and the filters
    `moment` and `duration`.

    Raises:
        ConfigError: One has a mistake of grammar, or is too long.
    """

    def __init__(
        self, *, where: str, title: str | None = None, text: str | None = None, html: str | None = None
    ) -> None:
        self._title = _compile(title, where=f"{where}.title_template", is_html=False)
        self._text = _compile(text, where=f"{where}.text_template", is_html=False)
        self._html = _compile(html, where=f"{where}.html_template", is_html=True)

    @property
    def are_any(self) -> bool:
        """Whether the operator wrote any: only these can take long."""
        return any((self._title, self._text, self._html))

    def texts(self, notification: Notification, *, with_html: bool = False) -> Texts:
        """
        The notification in words. A template that raises, never ends or makes too much is passed over.

        Blocks for at most `TEMPLATE_MS_MAX` each; one single step of a template (a filter over a huge text) is not
        interrupted, so templates stay with those who may write the configuration.
        """
        problems: list[str] = []
        title = one_line(
            self._try(self._title, notification, problems) or plain_title(notification), TITLE_CHARACTERS_MAX
        )
        made = self._try(self._text, notification, problems)
        text = cut(harmless(made), TEXT_CHARACTERS_MAX) if made is not None else plain_text(notification)
        html = None
        if with_html:
            html = self._try(self._html, notification, problems)
            html = html if html is not None else default_html(notification, title=title, text=text)
        return Texts(title=title, text=text, html=html, problem="; ".join(problems) or None)

    def _try(self, template: jinja2.Template | None, notification: Notification, problems: list[str]) -> str | None:
        if template is None:
            return None
        try:
            return _render(template, _values(notification), characters_max=HTML_CHARACTERS_MAX)
        except (
            # What a template can raise: there is no common base below Exception.
            jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError,
            ValueError,
        ) as error:  # fmt: skip
            problems.append(one_line(f"{template.name} failed, plain words were sent: {_words(error)}", 500))
            return None


async def texts_of(templates: Templates, notification: Notification, *, with_html: bool = False) -> Texts:
    """
    The notification in words; the operator's templates run beside the event loop.

    Where not even the bounds of a template hold, its thread is left behind and plain words are sent.
    """
    if not templates.are_any:
        return templates.texts(notification, with_html=with_html)
    try:
        async with asyncio.timeout(STUCK_MS / 1000):
            return await in_thread(lambda: templates.texts(notification, with_html=with_html))
    except TimeoutError:
        title, text = plain_title(notification), plain_text(notification)
        html = default_html(notification, title=title, text=text) if with_html else None
        return Texts(title=title, text=text, html=html, problem="a template never ended, plain words were sent")


def default_html(notification: Notification, *, title: str, text: str) -> str | None:
    """The built-in page; None when it fails, which leaves the plain text to speak."""
    values = {
        "title": title,
        "colour": COLOURS.get(notification.kind) or COLOURS.get(notification.severity, "#57606a"),
        "text": text,
        "is_written": bool(notification.text),
        "headline": harmless(notification.title),
        "facts": list(facts(notification)),
        "passages": list(passages(notification)),
        "links": list(links(notification)),
        "members": notification.members,
        "runbook_url": web_url(notification.runbook_url),
        "key": notification.dedup_key,
    }
    try:
        page = _default_page().render(values)
    except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return harmless(page)


@cache
def _default_page() -> jinja2.Template:
    source = files(__package__).joinpath("templates/mail.html.j2").read_text(encoding="utf-8")
    return _environment(is_html=True).from_string(source)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(  # type: ignore[explicit-override]
        self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any
    ) -> Any:
        """Numbers stay small, and texts are neither multiplied nor padded beyond reason."""
        is_number = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "%" and not is_number:
            raise SecurityError("texts are put together with ~ in a template, not with %")
        if operator == "*" and not is_number:
            times, what = (left, right) if isinstance(left, int) else (right, left)
            if not isinstance(times, int) or times * len(what) > REPEATED_MAX:
                raise SecurityError(f"a template may repeat a text to {REPEATED_MAX:,} characters, no more")
        if operator == "**" and not (is_number and abs(left) <= POWER_MAX and abs(right) <= POWER_MAX):
            raise SecurityError(f"a template may raise numbers up to {POWER_MAX} to such a power, no more")
        return super().call_binop(context, operator, left, right)


@cache
def _environment(*, is_html: bool) -> _Environment:
    environment = _Environment(
        autoescape=is_html, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["moment"] = lambda at_ms: moment(at_ms) or ""
    environment.filters["duration"] = lambda duration_ms: duration(duration_ms) or ""
    environment.globals.pop("lipsum")
    return environment


def _compile(source: str | None, *, where: str, is_html: bool) -> jinja2.Template | None:
    if source is None:
        return None
    if len(source) > TEMPLATE_CHARACTERS_MAX:
        raise ConfigError(f"{where} has {len(source):,} characters; a template may have {TEMPLATE_CHARACTERS_MAX:,}")
    try:
        template = _environment(is_html=is_html).from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(
            f"{where} is no valid template: {error.message} (line {error.lineno} of the template)"
        ) from None
    except RecursionError:
        raise ConfigError(f"{where} is no valid template: it is nested too deeply") from None
    template.name = where
    return template


def _values(notification: Notification) -> Mapping[str, Any]:
    return {"n": notification, "title": plain_title(notification), "text": plain_text(notification)}


def _render(template: jinja2.Template, values: Mapping[str, Any], *, characters_max: int) -> str:
    """
    Run a template step by step, up to a time and a size.

    A loop without output cannot be stopped from outside, so a trace function looks at the time on each of its lines.
    """
    deadline_s = monotonic() + TEMPLATE_MS_MAX / 1000
    outer = sys.gettrace()

    def look(frame: FrameType, event: str, argument: Any) -> Any:
        if monotonic() > deadline_s:
            raise TemplateTooSlow(f"it took longer than {TEMPLATE_MS_MAX} ms")
        return look

    parts: list[str] = []
    size = 0
    sys.settrace(look)
    try:
        for part in template.generate(values):
            parts.append(part)
            size += len(part)
            if size > characters_max:
                raise TemplateTooSlow(f"it made more than {characters_max:,} characters")
    finally:
        sys.settrace(outer)
    return "".join(parts)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
