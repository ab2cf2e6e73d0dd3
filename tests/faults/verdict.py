"""What a checker says."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Valid only when everything could be checked; unknown is as bad as invalid."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """A broken promise: the rule's name, and what breaks it."""

    rule: str
    what: str


@dataclass(frozen=True)
class Judgement:
    """The findings of a checker, and what kept it from checking."""

    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Invalid when a promise is broken; unknown when not everything could be checked."""
        if self.findings:
            return Verdict.INVALID
        return Verdict.UNKNOWN if self.doubts else Verdict.VALID

    def rules(self) -> set[str]:
        """The names of the broken rules."""
        return {finding.rule for finding in self.findings}

    def __add__(self, other: "Judgement") -> "Judgement":
        return Judgement(self.findings + other.findings, self.doubts + other.doubts)
