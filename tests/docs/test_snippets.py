"""What README, docs and the examples' READMEs show is what happens."""

import subprocess
import sys
from pathlib import Path

import pytest
import snippets

PAGES = [page for page in snippets.pages() if snippets.blocks(page)]


def name(page: Path) -> str:
    return str(page.relative_to(snippets.ROOT))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_of_the_page_runs(page: Path) -> None:
    """A reader who follows the page from top to bottom sees no error, and the output it shows."""
    # A process of its own: the default registry, logging and the threads are the page's alone.
    done = subprocess.run(
        [sys.executable, snippets.__file__, str(page)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_blocks_that_are_not_run_say_why_and_are_few() -> None:
    """Leaving a block out takes a reason, and stays the exception."""
    found = [block for page in PAGES for block in snippets.blocks(page)]
    left_out = [block for block in found if block.reason_not_to_run is not None]
    assert [block.place for block in left_out if len(block.reason_not_to_run.split()) < 3] == []
    assert len(left_out) <= len(found) / 20, [block.place for block in left_out]
