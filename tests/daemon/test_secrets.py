"""Secrets that show as such are taken out before anything is stored."""

from typing import TYPE_CHECKING

from jobsched import JobContext, Registry

if TYPE_CHECKING:
    from conftest import Embedding, Operator


def test_secrets_are_not_stored(embed: "Embedding", operator: "Operator") -> None:
    """Neither in log lines nor in an error or its traceback; also at the edge of a long text."""
    registry = Registry()

    @registry.job
    def leaking(ctx: JobContext) -> None:
        ctx.log.info("connecting to %s", "postgresql://shop:hunter2@db/shop")
        ctx.log.info("%s password=%s", "x" * 65_500, "hunter2" * 9)
        raise ValueError("no access with token=hunter2 and {'api_key': 'hunter2'}")

    embed.started(registry)
    firing = operator.ended(operator.enqueue("leaking").id)
    (run,) = firing.runs
    said = [*operator.messages(firing.id), run.error or "", run.traceback or ""]
    assert "connecting to postgresql://shop:***@db/shop" in said
    assert run.error == "ValueError: no access with token=*** and {'api_key': ***}"
    assert [text for text in said if "hunter2" in text] == []
