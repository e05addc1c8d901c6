"""Who is let in: what decides about it, and the routes of signing in, tokens and users; put together in one place."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from jobsight.engine.tokens import TokenRegistry
from jobsight.engine.users import Passwords, Users
from jobsight.engine.writer import Writer
from jobsight.transports.http.access import Access
from jobsight.transports.http.login import Login
from jobsight.transports.http.pages.user_actions import user_action_endpoints
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.rate import RateLimit
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.sessions import Sessions, SessionStore
from jobsight.transports.http.token_api import token_endpoints
from jobsight.transports.http.user_api import user_endpoints
from jobsight.transports.http.user_changes import UserChanges


class Guard(Struct, frozen=True, kw_only=True):
    """What decides who is let in, and the routes that change it."""

    access: Access
    endpoints: list[Endpoint]


class Secrets(Struct, frozen=True, kw_only=True):
    """Where hashes are kept: of operators' passwords, and of who has signed in."""

    passwords: Passwords
    sessions: SessionStore


def guard_of(
    writer: Writer,
    *,
    secrets: Secrets,
    peers: Peers,
    rate: RateLimit,
    is_open_to_all: bool,
    is_on_loopback: bool,
    clock_ms: Callable[[], int],
) -> Guard:
    """The guard of a service; for the arguments see `Access` and `Users`."""
    state = writer.state
    tokens, users, sessions = (
        TokenRegistry(state),
        Users(state, secrets.passwords),
        Sessions(state, clock_ms, secrets.sessions),
    )
    access = Access(
        tokens=tokens,
        sessions=sessions,
        peers=peers,
        rate=rate,
        is_open_to_all=is_open_to_all,
        is_on_loopback=is_on_loopback,
        clock_ms=clock_ms,
    )
    login = Login(
        users=users, tokens=tokens, sessions=sessions, peers=peers, is_let_in=access.is_let_in, clock_ms=clock_ms
    )
    changes = UserChanges(writer, users)
    endpoints = [
        *login.endpoints(),
        *token_endpoints(writer, tokens, clock_ms),
        *user_endpoints(changes),
        *user_action_endpoints(changes),
    ]
    return Guard(access=access, endpoints=endpoints)
