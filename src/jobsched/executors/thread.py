"""Jobs in threads of the daemon's own process: the default."""

from concurrent.futures import ThreadPoolExecutor


class ThreadExecutor(ThreadPoolExecutor):
    """A pool of named threads.

    A thread cannot be killed: a job past its timeout is asked to stop through `ctx.cancelled`,
    and is shown as running until it ends.
    """

    def __init__(self, max_workers: int = 10) -> None:
        """Threads are started when jobs need them, at most `max_workers`."""
        super().__init__(max_workers=max_workers, thread_name_prefix="jobsched-job")
