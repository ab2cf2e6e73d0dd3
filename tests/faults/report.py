"""The verdict on a trial, and its figures in words."""

from typing import Any

from tests.faults import blind, exact, points
from tests.faults.evidence import Evidence
from tests.faults.figures import figures
from tests.faults.trial import Plan
from tests.faults.verdict import Judgement

SHOWN = 30
"""How many findings are told one by one."""
ALL_POINTS_S = 120.0
"""In so many seconds a trial of failpoints must have hit every one of them."""


def judge(plan: Plan, evidence: Evidence, events: list[dict[str, Any]]) -> Judgement:
    """What both checkers say; and whether the failpoints that were to be hit were."""
    judgement = exact.check(evidence) + blind.check(evidence)
    if plan.family == "failpoints" and plan.seconds >= ALL_POINTS_S:
        missed = points.never_hit(points.hits(events))
        judgement += Judgement(doubts=tuple(f"{name} was never hit" for name in missed))
    return judgement


def told(plan: Plan, evidence: Evidence, judgement: Judgement, events: list[dict[str, Any]]) -> str:
    """The figures, one a line, the findings, and the verdict last."""
    lines = [f"{plan.database}, {plan.family}, seed {plan.seed}, {plan.nodes} daemons"]
    lines += [f"  {name}: {value}" for name, value in figures(evidence, judgement, events).items()]
    struck = points.hits(events)
    if struck:
        hit = ", ".join(f"{name} {count}" for name, count in sorted(struck.items()))
        lines.append(f"  failpoints hit: {hit}")
    lines += [f"  {finding.rule}: {finding.what}" for finding in judgement.findings[:SHOWN]]
    if len(judgement.findings) > SHOWN:
        lines.append(f"  ... and {len(judgement.findings) - SHOWN} more")
    lines += [f"  in doubt: {doubt}" for doubt in dict.fromkeys(judgement.doubts)]
    return "\n".join([*lines, f"  {judgement.verdict}"])
