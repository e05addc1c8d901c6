"""Asking a running service: by its URL, or through the control socket of the folder that it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsight.core.masking import mask
from jobsight.errors import (
    ConfigError,
    ConflictError,
    JobsightError,
    NoPermissionError,
    NotFoundError,
    UnreachableError,
    UsageError,
)

if TYPE_CHECKING:
    from httpx import Client

TIMEOUT_SECONDS = 10.0
UNAUTHORIZED = 401


class Server:
    """
    A service that answers.

    Args:
        client: Knows its address; closed when the command ends.
        name: What to call it in an error.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        context = click.get_current_context(silent=True)
        if context is not None:
            context.call_on_close(client.close)

    def call(self, method: str, path: str, body: object = None, *, seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
        """
        One request to its API, answered within `seconds`.

        Raises:
            UnreachableError: It does not answer.
            NoPermissionError: The token does not allow this.
            NotFoundError: There is no such thing.
            JobsightError: It refuses for another reason.
        """
        from httpx import HTTPError

        try:
            answer = self._client.request(method, path, json=body, timeout=seconds)
        except HTTPError as error:
            raise _no_answer(self._name, error) from error
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        raise _refusal(answer.status_code, f"{self._name}: {_text_of(answer.text)}")

    def why_not_ready(self) -> str | None:
        """In its own words, why it takes no reports now; None while it does. Raises UnreachableError."""
        from httpx import HTTPError

        try:
            answer = self._client.get("/readyz")
        except HTTPError as error:
            raise _no_answer(self._name, error) from error
        return None if answer.is_success else answer.text.strip()[:200]

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a stream as they come, until it ends. Raises as `call`."""
        from httpx import ConnectError, HTTPError, Timeout

        try:
            with self._client.stream("GET", path, timeout=Timeout(TIMEOUT_SECONDS, read=None)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer.status_code, f"{self._name}: {_text_of(answer.text)}")
                yield from answer.iter_lines()
        except ConnectError as error:
            raise _no_answer(self._name, error) from error
        except HTTPError as error:
            raise UnreachableError(f"{self._name} does not answer any more ({error})") from error


def server_at(url: str, token: str | None) -> Server:
    """
    The service at a URL, asked with a token; white space around them, as at the end of a file, is left out.

    Raises:
        UsageError: The one or the other cannot be sent. Shows nothing of the token.
        ConfigError: The file of authorities that the environment names cannot be used.
    """
    from httpx import Client, InvalidURL

    url, token = url.strip(), (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError("the token (--token, JOBSIGHT_TOKEN) holds characters that no token has; expected js_...")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    expected = f"--server: expected a URL such as http://127.0.0.1:8787, got {mask(url)}"
    if not url.lower().startswith(("http://", "https://")):
        raise UsageError(expected)
    try:
        return Server(Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS), mask(url))
    except InvalidURL as error:
        raise UsageError(f"{expected} ({error})") from error
    except OSError as error:
        file = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        raise ConfigError(f"SSL_CERT_FILE: expected a PEM file of authorities, got {file} ({error})") from error


def server_of_folder(data: Path) -> Server | None:
    """The service that holds a data folder, asked through its control socket; None where there is no socket."""
    from httpx import Client, HTTPTransport

    from jobsight.transports.http.listening import CONTROL_NAME, socket_address

    path = data / CONTROL_NAME
    if not path.is_socket():
        return None
    transport = HTTPTransport(uds=socket_address(path))
    client = Client(transport=transport, base_url="http://localhost", timeout=TIMEOUT_SECONDS)
    return Server(client, f"the service that holds {data}")


def local_author() -> str:
    """Who is written down for what a command changes by itself."""
    import pwd

    try:
        return f"local:{pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"local:{os.geteuid()}"


def _no_answer(name: str, error: Exception) -> UnreachableError:
    remedy = "; SSL_CERT_FILE names the file of an authority to trust" if "CERTIFICATE_VERIFY" in str(error) else ""
    return UnreachableError(f"{name} does not answer ({error}){remedy}")


def _refusal(status: int, text: str) -> JobsightError:
    kinds: dict[int, type[JobsightError]] = {
        400: UsageError,
        UNAUTHORIZED: NoPermissionError,
        403: NoPermissionError,
        404: NotFoundError,
        409: ConflictError,
    }
    remedy = "; commands take it from JOBSIGHT_TOKEN" if status == UNAUTHORIZED else ""
    return kinds.get(status, JobsightError)(text + remedy)


def _text_of(body: str) -> str:
    import json

    try:
        told = json.loads(body)
    except ValueError:
        return body.strip()[:200]
    return str(told["text"]) if isinstance(told, dict) and "text" in told else body.strip()[:200]
