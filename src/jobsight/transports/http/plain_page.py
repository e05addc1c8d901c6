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


def plain_page(title: str, content: str, status: int = 200) -> HTMLResponse:
    """A page of a title (text) and a content (HTML that was put together with `escape`)."""
    path = stylesheet_path()
    styles = "" if path is None else f'\n<link rel="stylesheet" href="{path}">'
    html = PAGE.format(title=escape(title), content=content, styles=styles)
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def refusal_page(status: int, text: str) -> HTMLResponse:
    """Why something was refused, for a person."""
    return plain_page(f"{status}", f'<p>{escape(text)}</p>\n<p><a href="/">Jobsight</a></p>', status)
