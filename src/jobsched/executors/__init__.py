"""Where jobs run: anything with the interface of `concurrent.futures.Executor`, or elsewhere."""

from concurrent.futures import Executor
from typing import TypeAlias

from jobsched.executors.inline import InlineExecutor
from jobsched.executors.process import ProcessExecutor
from jobsched.executors.remote import RemoteExecutor
from jobsched.executors.thread import ThreadExecutor

JobExecutor: TypeAlias = Executor | RemoteExecutor
"""What a Scheduler takes as an executor."""

__all__ = ["InlineExecutor", "JobExecutor", "ProcessExecutor", "RemoteExecutor", "ThreadExecutor"]
