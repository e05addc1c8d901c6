"""One kept connection to the monitor: lines go out, an answer for each comes back."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - what the first connection would import, at a moment when the program may fork
import json
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from ssl import SSLCertVerificationError, SSLEOFError, SSLError, SSLZeroReturnError
from urllib.parse import urlsplit

from jobsight.client import limits
from jobsight.client.answers import Answer, Failure, Posted, Trouble, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from jobsight.client.settings import Settings

PATH: Final = "/api/v1/events"
_REFUSED_FOR_EVER: Final = frozenset({10, 12, 20, 21, 22})


class Wire:
    """A connection that is opened when needed and kept. One request at a time; not for two threads at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._connection: HTTPConnection | None = None
        self._headers: Final = {"Content-Type": "application/x-ndjson", "User-Agent": "jobsight-client"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"
        self._is_token_good: Final = not settings.token or (settings.token.isascii() and settings.token.isprintable())

    def post(self, lines: Sequence[bytes]) -> Posted:
        """Send lines. A kept connection that turns out to be closed is opened again, once."""
        if not self._is_token_good:
            text = "the token holds characters that no token has, so nothing is sent with it; look at JOBSIGHT_TOKEN"
            return Posted([], Failure(Trouble.DENIED, text))
        body = b"".join(lines)
        was_kept = self._connection is not None
        posted = self._try(body, len(lines))
        if posted is None and was_kept:
            posted = self._try(body, len(lines))
        return posted or Posted([], Failure(Trouble.AWAY, f"{self._settings.server} closes the connection"))

    def close(self) -> None:
        """Close the connection; the next `post` opens one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self, body: bytes, count: int) -> Posted | None:
        """One request; None where the connection was closed before any answer."""
        try:
            response = self._exchange(body)
            return self._read(response, count)
        except SSLCertVerificationError as error:
            text = f"{self._settings.server}: its certificate is not trusted ({error.verify_message})"
            failure = Failure(Trouble.ASTRAY, f"{text}; SSL_CERT_FILE names the file of an authority to trust")
        except (SSLEOFError, SSLZeroReturnError):
            failure = Failure(Trouble.AWAY, f"{self._settings.server} breaks the connection off")
        except SSLError as error:
            text = f"{self._settings.server} does not speak TLS as was expected ({error.reason or error})"
            failure = Failure(Trouble.ASTRAY, f"{text}; where it speaks none, JOBSIGHT_SERVER begins with http://")
        except ConnectionRefusedError:
            failure = Failure(Trouble.AWAY, f"{self._settings.server} refuses connections")
        except ConnectionError:
            self.close()
            return None
        except TimeoutError:
            failure = Failure(Trouble.SLOW, f"{self._settings.server} does not answer in time")
        except (OSError, HTTPException) as error:
            failure = Failure(Trouble.AWAY, f"{self._settings.server}: {error}")
        except ValueError as error:
            failure = Failure(Trouble.ASTRAY, f"{self._settings.server}: {error}; set JOBSIGHT_SERVER")
        self.close()
        return Posted([], failure)

    def _exchange(self, body: bytes) -> HTTPResponse:
        if self._connection is None:
            self._connection = self._open()
        self._connection.request("POST", self._path() + PATH, body, self._headers)
        return self._connection.getresponse()

    def _path(self) -> str:
        return urlsplit(self._settings.server).path

    def _open(self) -> HTTPConnection:
        address = urlsplit(self._settings.server)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("expected a URL such as http://monitor.example.org:8787")
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname, address.port, timeout=self._settings.connect_s)
        connection.connect()
        connection.sock.settimeout(self._settings.answer_s)
        return connection

    def _read(self, response: HTTPResponse, count: int) -> Posted:
        failure: Failure | None = None
        try:
            raw = response.read(limits.REPLY_BYTES_MAX)
            is_broken_off = bool(response.length) and len(raw) < limits.REPLY_BYTES_MAX
        except IncompleteRead as error:
            raw = error.partial
            is_broken_off = True
        if is_broken_off:
            failure = Failure(Trouble.AWAY, f"{self._settings.server} broke off its answer")
        if failure is not None or response.will_close or not response.isclosed():
            self.close()
        if response.status != 200:
            return Posted([], self._failure_of(response, raw, count))
        whole = raw[: raw.rfind(b"\n") + 1] if failure else raw
        answers = read_answers(whole, count)
        if answers is None or (failure is None and len(answers) < count):
            text = f"{self._settings.server} does not answer like a Jobsight monitor"
            return Posted(answers or [], Failure(Trouble.ASTRAY, text))
        return Posted(answers, failure if len(answers) < count else None)

    def _failure_of(self, response: HTTPResponse, raw: bytes, count: int) -> Failure:
        server, status = self._settings.server, response.status
        if status in {401, 403}:
            return Failure(Trouble.DENIED, f"{server} answers {status}: set a token that may report (JOBSIGHT_TOKEN)")
        if status in {429, 503}:
            return Failure(Trouble.BUSY, f"{server} is busy ({status})", _retry_after(response))
        # A proxy in between may know the size only; a single report is given up on the monitor's own word.
        if (status == 413 and count > 1) or (status in {400, 413} and read_answers(raw.replace(b"\n", b" "), 1)):
            return Failure(Trouble.UNACCEPTABLE, f"{server} answers {status}")
        if status >= 500:
            return Failure(Trouble.AWAY, f"{server} answers {status}")
        return Failure(Trouble.ASTRAY, f"{server} answers {status}, so it is no Jobsight monitor; set JOBSIGHT_SERVER")


def read_answers(raw: bytes, count: int) -> list[Answer] | None:
    """Replies, one a line, as answers to `count` lines; None for what is none."""
    answers: list[Answer] = []
    for line in raw.split(b"\n"):
        if not line.strip():
            continue
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(reply, dict) or "type" not in reply or len(answers) == count:
            return None
        answers.append(_answer(reply, line))
    return answers


def _answer(reply: dict[str, Any], line: bytes) -> Answer:
    if reply["type"] != "error":
        return Answer(Verdict.STORED, line.decode("utf-8", "replace"))
    verdict = Verdict.REFUSED if reply.get("code") in _REFUSED_FOR_EVER else Verdict.AGAIN
    return Answer(verdict, str(reply.get("text", "no reason told")))


def _retry_after(response: HTTPResponse) -> float | None:
    value = (response.getheader("Retry-After") or "").strip()
    return min(float(value), limits.RETRY_AFTER_MAX_S) if value.isascii() and value.isdigit() else None
