"""Why a request is refused: a status, a word for programs and a sentence for people."""

from pydantic import ValidationError

from jobsched.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DeclarationError,
    JobschedError,
    NotFoundError,
    ParameterError,
    SchemaError,
)


class RefusalError(Exception):
    """Ends the handling of a request; the core shows it as JSON or as a page."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


_STATUSES: tuple[tuple[type[JobschedError], int, str], ...] = (
    (NotFoundError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (ParameterError, 422, "invalid"),
    (DeclarationError, 422, "invalid"),
    (ConfigurationError, 422, "invalid"),
    (DatabaseError, 503, "database"),
    (SchemaError, 503, "schema"),
)


def of_error(error: JobschedError) -> RefusalError | None:
    """What an operator's verb raised, as a refusal; None for one that is a fault of ours."""
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            headers = (("Retry-After", "5"),) if status == 503 else ()
            return RefusalError(status, code, str(error), headers=headers)
    return None


def of_validation(error: ValidationError) -> RefusalError:
    """Which fields are wrong, and why, in one line."""
    said = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in one["loc"])
        reason = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            reason = "there is no such field here"
        said.append(f"{field}: {reason}" if field else reason)
    return RefusalError(422, "invalid", "; ".join(said))
