"""A host that forks while it runs the daemon; prints what either process sees, as lines of JSON."""

import json
import os
import sys
import threading
from typing import Any

from host import scheduler

from jobsched.model import LIVE_FIRINGS


def say(event: str, **fields: Any) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps({"event": event, "fields": {"pid": os.getpid(), **fields}}) + "\n")
    sys.stdout.flush()


def run_quick() -> int:
    """Have a job run by the one daemon there is; the process of the worker that ran it."""
    firing = scheduler.enqueue("quick")
    while scheduler.firing(firing.id).status in LIVE_FIRINGS:
        threading.Event().wait(0.02)
    worker_id = scheduler.firing(firing.id).runs[0].worker_id
    return next(one.pid for one in scheduler.list_workers() if one.id == worker_id)


def child(turn: int, done: int) -> None:
    """Use the verbs, wait until the parent's daemon has stopped, and be the daemon."""
    say("forked", running=scheduler.running, stopped=scheduler.stop())
    say("ran", ran_in=run_quick())
    os.write(done, b".")
    os.read(turn, 1)
    scheduler.start()
    say("started", running=scheduler.running, ran_in=run_quick())
    say("stopped", stopped=scheduler.stop())


def parent(turn: int, done: int) -> None:
    """Give the child its turn."""
    os.read(done, 1)
    say("parent_stopped", stopped=scheduler.stop())
    os.write(turn, b".")


scheduler.start()
say("parent", ran_in=run_quick())
(turn_out, turn_in), (done_out, done_in) = os.pipe(), os.pipe()
forked = os.fork()
if forked == 0:
    child(turn_out, done_in)
    sys.stdout.flush()
    os._exit(0)
parent(turn_in, done_out)
os.waitpid(forked, 0)
