"""Pages that stand alone: signing in, and a refusal in words. They need no scripts, and no styles either."""

from __future__ import annotations

from html import escape
from typing import Final

from starlette.responses import HTMLResponse

from jobsight.transports.http.built import stylesheet_path

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Jobsight</title>{styles}
</head>
<body class="plain">
<main>
<p class="brand">jobsight</p>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


TITLES: Final = {
    400: "That cannot be read",
    401: "Please sign in",
    403: "You may not do that",
    404: "There is no such page",
    405: "That does not work this way",
    409: "That is no longer so",
    413: "That is too much",
    429: "Too many at once",
    500: "That went wrong",
    503: "Not just now",
}
"""Status -> what a refusal is headed with."""


def plain_page(title: str, content: str, status: int = 200) -> HTMLResponse:
    """A page of a title (text) and a content (HTML that was put together with `escape`)."""
    path = stylesheet_path()
    styles = "" if path is None else f'\n<link rel="stylesheet" href="{path}">'
    html = PAGE.format(title=escape(title), content=content, styles=styles)
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def refusal_page(status: int, text: str, before: str = "/") -> HTMLResponse:
    """Why something was refused, for a person, and the way on: to the page `before` (a path), where it is not the first."""
    title = TITLES.get(status, "That did not work")
    back = "" if before == "/" else f'<p><a class="on" href="{escape(before)}">Back to where you were</a></p>\n'
    content = f'<p>{escape(text)}</p>\n{back}<p><a class="on" href="/">Back to the overview</a></p>'
    return plain_page(title, f'{content}\n<p class="quiet">HTTP {status}</p>', status)
