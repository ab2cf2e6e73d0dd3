"""What README, docs and the examples' READMEs show is what happens."""

import re
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


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```python\n1 / 0\n```", "page.md:1:\n"),
        ("```python\nprint(1)\n```\n```text output\n2\n```", "page.md:4: the page says"),
        ("```python raises=ValueError\npass\n```", "ValueError was not raised"),
        ("```bash\nfalse\ntrue\n```", "exit code 1, not 0"),
        ("```bash exit=2\nfalse\n```", "exit code 1, not 2"),
        ('```bash background until="up"\necho down\n```', "never printed 'up'"),
        ('```bash background until="up"\necho up\nfalse\n```', "ended with"),
        ("```yaml\na: 1\n```", "'yaml' needs file=NAME or not-run=WHY"),
        ("```bash skip\ntrue\n```", "unknown option skip"),
        ("<!-- run first\n```bash\nfalse\n```\n-->", "exit code 1, not 0"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, page: str, said: str) -> None:
    """A failing block, another output, another exit code, an unknown word: each fails its page."""
    path = tmp_path / "page.md"
    path.write_text(page, "utf-8")
    with pytest.raises(snippets.SnippetError, match=re.escape(said)):
        snippets.run_page(path)


def test_what_a_reader_sets_carries_on(tmp_path: Path) -> None:
    """Variables, the current folder and files of one block are there for the next ones."""
    path = tmp_path / "page.md"
    path.write_text(
        "```toml file=a/b.toml\nx = 1\n```\n"
        "```bash\nexport WORD=hello\ncd a\n```\n"
        "```bash\necho $WORD; ls\n```\n"
        "```text output\nhello ... b.toml\n```\n",
        "utf-8",
    )
    snippets.run_page(path)
