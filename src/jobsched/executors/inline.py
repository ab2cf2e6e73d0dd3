"""Jobs in the caller's own thread, one after the other: for tests and `tick()`."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class InlineExecutor(Executor):
    """Runs what it is given before `submit` returns."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it, and give back its result or exception as a future that is done."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # a future carries whatever was raised
            future.set_exception(error)
        return future
