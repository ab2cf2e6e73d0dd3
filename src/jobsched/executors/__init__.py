"""Where sync jobs run: anything with the interface of `concurrent.futures.Executor`."""

from jobsched.executors.inline import InlineExecutor
from jobsched.executors.thread import ThreadExecutor

__all__ = ["InlineExecutor", "ThreadExecutor"]
