"""`jobsight.monitor`: a block, or each call of a function, watched as a job."""

from __future__ import annotations

import functools

from jobsight.client import limits
from jobsight.client.client import Client, default_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping
    from types import TracebackType
    from typing import Any, Final, TypeVar

    from jobsight.client.job import Job

    Function = TypeVar("Function", bound=Callable[..., Any])
    # `functools.wraps` makes what is returned look as the function does, which its type cannot say: hence the ignores.


class Monitor:
    """What `monitor` returns: a context manager (`with` and `async with`) for one block at a time, and a decorator."""

    def __init__(self, task: str, client: Client | None, options: Mapping[str, Any]) -> None:
        self._task: Final = task
        self._client: Final = client
        self._options: Final = options
        self._open: Final[list[Job]] = []

    def __enter__(self) -> Job:
        job = (self._client or default_client()).job(self._task, **self._options)
        job.start()
        self._open.append(job)
        return job

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.pop().close_with(error)

    async def __aenter__(self) -> Job:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """Watch each call of a function as a job of its own; of a coroutine or a generator, until it has ended."""
        import inspect

        if inspect.iscoroutinefunction(function):
            return self._around_coroutine(function)
        if inspect.isasyncgenfunction(function):
            return self._around_async_generator(function)
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return function(*args, **kwargs)

        return watched  # type: ignore[return-value]  # see `Function`

    def _another(self) -> Monitor:
        return Monitor(self._task, self._client, self._options)

    def _around_coroutine(self, function: Function) -> Function:
        @functools.wraps(function)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return await function(*args, **kwargs)

        return watched  # type: ignore[return-value]  # see `Function`

    def _around_generator(self, function: Function) -> Function:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self._another():
                return (yield from function(*args, **kwargs))

        return watched  # type: ignore[return-value]  # see `Function`

    def _around_async_generator(self, function: Function) -> Function:
        @functools.wraps(function)
        async def watched(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with self._another():
                async for item in function(*args, **kwargs):
                    yield item

        return watched  # type: ignore[return-value]  # see `Function`


def monitor(
    task: str,
    *,
    job_id: str | None = None,
    queue: str | None = None,
    labels: Mapping[str, object] | None = None,
    retries: int | None = None,
    max_retries: int | None = None,
    heartbeat_s: float = limits.HEARTBEAT_S,
    client: Client | None = None,
) -> Monitor:
    """
    Watch a block, or each call of a function, as a job.

    ```python
    with jobsight.monitor("nightly-backup") as job:
        job.progress(25)


    @jobsight.monitor("billing.export")
    async def export(): ...
    ```

    The start, heartbeats and the end are reported: a normal end as completed, an exception as failed (it is raised on,
    unchanged), a cancellation or Ctrl-C as cancelled. Nothing that goes wrong on the way to the monitor reaches the block.

    Args:
        task: What the block executes.
        job_id: The job's id; minted from the task and the time by default. One id for all tries of a job that is retried.
        queue, labels: As the monitor shows them.
        retries: Tries before this one; with `max_retries`, a failure with tries left is recorded and alerts nobody.
        max_retries: How many tries may follow the first.
        heartbeat_s: Seconds between signs of life; 0 for none.
        client: Instead of the one that the environment describes.

    Raises:
        TypeError: A function instead of a task: `@jobsight.monitor` without its parentheses. Said where it is written, since
            the call of the function would be too late.
    """
    if callable(task):
        raise TypeError('expected the name of a task: @jobsight.monitor("nightly-backup")')
    options = {
        "job_id": job_id,
        "queue": queue,
        "labels": labels,
        "retries": retries,
        "max_retries": max_retries,
        "heartbeat_s": heartbeat_s,
    }
    return Monitor(task, client, options)
