"""What can go wrong, as types: every error that jobsched raises on purpose is a JobschedError."""


class JobschedError(Exception):
    """Root of jobsched's own errors; the message says what is wrong, where, and what to do."""


class DeclarationError(JobschedError, ValueError):
    """A schedule or a job is declared wrongly; the message names it, the field and the value."""


class ConfigurationError(JobschedError, ValueError):
    """A setting, an engine or an APP reference cannot be used as given."""


class NotFoundError(JobschedError, LookupError):
    """No schedule, job, firing or job run of that name or id exists in the database."""


class ConflictError(JobschedError):
    """The request contradicts the present state, such as a second waiting manual firing."""


class ParameterError(JobschedError, ValueError):
    """A firing's parameters do not fit the jobs that it would run."""


class SchemaError(JobschedError):
    """The database's tables are absent, older or of another major version than this code."""


class DatabaseError(JobschedError):
    """The database did not answer, or refused; what was under way was rolled back."""


class ProcessDiedError(JobschedError):
    """The process that ran a job has ended before the job did; the message says by what.

    `trace` is where the job was then, when the process could still write it down.
    """

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace
