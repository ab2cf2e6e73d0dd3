"""Jobs in processes of their own: one fresh process for each job run."""

from jobsched.durations import Duration, parse_duration
from jobsched.errors import ConfigurationError
from jobsched.executors.child import Child, Places
from jobsched.executors.references import UnreachableError, reference_to
from jobsched.executors.remote import Around, Assignment, RemoteExecutor
from jobsched.registry import Job


class ProcessExecutor(RemoteExecutor):
    """Runs each job run in a fresh Python process, the leader of its own session.

    Such a job has a hard limit: past its timeout, or asked to cancel, it sees `ctx.cancelled` (an
    async job is cancelled), and `kill_grace` later its process is killed with every process that
    it has started. Its memory goes with it, and when it crashes the daemon lives. A run ends when
    its process has; what the job leaves behind in its session is killed then.

    The process imports the module of the job, and nothing else of the app; `around` is found in
    the same way. Both have to be at the top of a module. It reports to the daemon over a pipe and
    opens no connection of jobsched's own.
    """

    def __init__(self, max_workers: int | None = None, *, kill_grace: Duration = 5) -> None:
        """At most `max_workers` processes at once; None leaves that to the daemon's own limit.

        A job run beyond that waits, RUNNING, and its timeout counts. `kill_grace` is seconds or a
        timedelta; 0 kills at once. Raises ConfigurationError.
        """
        if max_workers is not None and max_workers < 1:
            raise ConfigurationError(
                f"ProcessExecutor(max_workers={max_workers!r}): must be 1 or more, or None"
            )
        try:
            self._kill_grace_s = parse_duration(kill_grace, zero=True).total_seconds()
        except ValueError as error:
            raise ConfigurationError(
                f"ProcessExecutor(kill_grace={kill_grace!r}): {error}"
            ) from error
        self._places = Places(max_workers)

    def problem(self, job: Job, around: Around | None) -> str | None:
        """Why a process of its own could not run this job, or None."""
        what, advice = "it", "define it at the top of a module"
        try:
            reference_to(job)
            if around is not None:
                what, advice = "around=", "give a function of a module"
                reference_to(around)
        except UnreachableError as error:
            return (
                f"job {job.name!r} ({job.place}) cannot run in a process of its own: {what} "
                f"{error}; {advice}"
            )
        return None

    def start(self, assignment: Assignment) -> Child:
        """Start a process for it as soon as there is a place."""
        child = Child(assignment, self._places, self._kill_grace_s)
        child.begin()
        return child
