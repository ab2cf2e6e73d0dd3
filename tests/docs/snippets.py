"""Runs the fenced code blocks of one page, in order, as its reader would.

    python tests/docs/snippets.py docs/quickstart.md

Each page runs in a process and an empty folder of its own (`README.md` in a copy of the whole
checkout, an example's README in a copy of the examples). What a block does depends on its language:

- `python` is executed; all blocks of a page share one namespace.
- `bash` and `console` run in a shell that stops at the first failing command. Exported variables
  and the current folder carry on to the page's next block.
- any language with `file=NAME` is written to that file instead.
- `text output` is what the block before it printed (of commands: on stdout). `...` stands for
  anything or nothing, and blanks and line ends count as one blank.
- blocks within `<!-- run first ... -->` are run too, unseen: what a page needs and does not tell.
- `text` and `sql` are not run here; the operators' SQL has a test of its own.

More words may follow the language:

- `exit=1`: the exit code that the commands must end with, otherwise 0.
- `background until="TEXT"`: the command stays running; the page goes on when it has printed TEXT.
  At the end of the page it gets Ctrl+C, and must then end with exit code 0, or that of `exit`.
- `raises=NAME`: the Python block must raise that error, whose message is what it "printed".
- `not-run="WHY"`: the block cannot run in a test. For the few that change a machine or an account.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from markdown_it import MarkdownIt

import jobsched

ROOT = Path(__file__).resolve().parents[2]
UNSEEN = re.compile(r"<!-- run first$(.*?)^-->$", re.DOTALL | re.MULTILINE)
README = ROOT / "README.md"
SHELLS = frozenset({"bash", "console", "sh"})
NOT_EXECUTED = frozenset({"text", "sql"})
OPTIONS = frozenset({"background", "exit", "file", "not-run", "output", "raises", "until"})
COMMAND_LIMIT_S = 200
"""Long enough for the README's `pip install .` on a slow line."""


class SnippetError(Exception):
    """A block that does not do what its page says."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    content: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"

    @property
    def exit_code(self) -> int:
        return int(self.options.get("exit", 0))

    @property
    def reason_not_to_run(self) -> str | None:
        return self.options.get("not-run")


def pages() -> list[Path]:
    """Every page whose blocks are run, by path."""
    found = [README, *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(page for page in found if "_build" not in page.parts and page.exists())


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks in order, also those in lists and quotes; no directives."""
    page = page.resolve()
    # The markers go, their lines stay: a block's line number is that of the page.
    tokens = MarkdownIt().parse(UNSEEN.sub(r"\1", page.read_text("utf-8")))
    return [
        _block(page, token.map[0] + 1, token.info, token.content)
        for token in tokens
        if token.type == "fence" and token.map and not token.info.startswith("{")
    ]


def _block(page: Path, line: int, info: str, content: str) -> Block:
    language, *words = shlex.split(info) or [""]
    options = {name: value for name, _, value in (word.partition("=") for word in words)}
    block = Block(page, line, language, content, options)
    known = {"python", *SHELLS, *NOT_EXECUTED}
    if language not in known and not options.keys() & {"file", "not-run"}:
        raise SnippetError(f"{block.place}: {language!r} needs file=NAME or not-run=WHY")
    unknown = options.keys() - OPTIONS
    if unknown:
        raise SnippetError(f"{block.place}: unknown option {', '.join(sorted(unknown))}")
    return block


def run_page(page: Path) -> None:
    """Run the page's blocks in a folder of their own; SnippetError at the first wrong one."""
    found = blocks(page)
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        home = _reader_folder(page.resolve(), Path(folder))
        with contextlib.chdir(home):
            # README installs jobsched itself; elsewhere the reader has it.
            reader = Reader(home, Path(folder) / "state", _environment(page.resolve() != README))
            try:
                for block in found:
                    reader.follow(block)
            except BaseException:
                reader.leave()  # what failed first is what is said
                raise
            if complaints := reader.leave():
                raise SnippetError("\n".join(complaints))


def _reader_folder(page: Path, folder: Path) -> Path:
    leave_out = shutil.ignore_patterns(
        ".*", "*.db*", "inbox", "done", "rejected", "__pycache__", "_build", "dist", "build"
    )
    home = folder / "home"
    if page == README:
        return Path(shutil.copytree(ROOT, home, ignore=leave_out))
    if ROOT / "examples" in page.parents:
        # All of them: an example may use the one beside it.
        shutil.copytree(ROOT / "examples", home, ignore=leave_out)
        return home / page.parent.relative_to(ROOT / "examples")
    home.mkdir()
    return home


class Reader:
    """Somebody who follows a page: a folder, a Python session and a shell."""

    def __init__(self, home: Path, state: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.output = ""
        self._state = state
        self._module = types.ModuleType("page")
        sys.modules["page"] = self._module  # where pydantic looks for the blocks' annotations
        sys.path.insert(0, str(home))
        self._folder = str(home)
        self._environment = environment
        self._background: list[tuple[Block, Background]] = []

    def follow(self, block: Block) -> None:
        if block.reason_not_to_run is not None:
            return
        if "file" in block.options:
            target = self.home / block.options["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.content, "utf-8")
        elif "output" in block.options:
            self._compare(block)
        elif block.language == "python":
            self._execute(block)
        elif "background" in block.options:
            self._start(block)
        elif block.language in SHELLS:
            self._shell(block)

    def leave(self) -> list[str]:
        """End what still runs in the background, as Ctrl+C does; what did not end as it should."""
        complaints = []
        sys.path.remove(str(self.home))
        for block, process in reversed(self._background):
            code = process.stop()
            if code != block.exit_code:
                complaints.append(f"{block.place}: ended with {code}\n{process.output}")
        return complaints

    def _compare(self, block: Block) -> None:
        if not is_shown_by(block.content, self.output):
            raise SnippetError(
                f"{block.place}: the page says\n{block.content}\nbut it was\n{self.output}"
            )

    def _execute(self, block: Block) -> None:
        # Blank lines first, so that a traceback and `place` show the line of the page.
        source = "\n" * block.line + block.content
        printed = io.StringIO()
        expected = block.options.get("raises")
        raised = ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(source, block.place.rpartition(":")[0], "exec"), vars(self._module))
        except Exception as error:
            if type(error).__name__ != expected:
                raise SnippetError(f"{block.place}:\n{traceback.format_exc()}") from error
            raised = f"{type(error).__name__}: {error}"
        if expected and not raised:
            raise SnippetError(f"{block.place}: {expected} was not raised")
        self.output = printed.getvalue() + raised

    def _shell(self, block: Block) -> None:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", _keeping_state(block.content, self._state)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self.output, errors = process.communicate(timeout=COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            self.output, errors = process.communicate()
            errors += f"\nkilled after {COMMAND_LIMIT_S} s"
        if process.returncode != block.exit_code:
            running = "".join(f"\n-- {b.place}:\n{p.output}" for b, p in self._background)
            raise SnippetError(
                f"{block.place}: exit code {process.returncode}, not {block.exit_code}\n"
                f"{self.output}{errors}{running}"
            )
        folder, *variables = self._state.read_text("utf-8").split("\0")
        self._folder = folder
        self._environment = dict(v.split("=", 1) for v in variables if "=" in v)

    def _start(self, block: Block) -> None:
        process = Background(block.content, self._folder, self._environment)
        self._background.append((block, process))
        if not process.wait_for(block.options["until"]):
            raise SnippetError(
                f"{block.place}: never printed {block.options['until']!r}\n{process.output}"
            )
        self.output = process.output


class Background:
    """A command of the page that stays running, and what it has printed so far."""

    def __init__(self, command: str, folder: str, environment: dict[str, str]) -> None:
        self._changed = threading.Condition()
        self._ended = False
        self.output = ""
        self._process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.output += line
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, text: str) -> bool:
        """Whether `text` was printed before the command ended or the time was over."""
        with self._changed:
            self._changed.wait_for(lambda: text in self.output or self._ended, COMMAND_LIMIT_S)
            return text in self.output

    def stop(self) -> int:
        """Ctrl+C for it and its children, as a terminal sends it; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()
        finally:
            self._reader.join()  # its pipe ends with the last process of the command


def is_shown_by(page: str, output: str) -> bool:
    """Whether what a page shows is the output, where `...` stands for anything or nothing."""
    parts = (r"\s+".join(map(re.escape, part.split())) for part in page.split("..."))
    return re.fullmatch(r"\s*" + r"\s*.*?\s*".join(parts) + r"\s*", output, re.DOTALL) is not None


def _keeping_state(commands: str, state: Path) -> str:
    keep = f'{{ printf "%s\\0" "$PWD"; env -0; }} > {shlex.quote(str(state))}'
    return f"trap {shlex.quote(keep)} EXIT\n{commands}"


def _environment(has_jobsched: bool) -> dict[str, str]:
    """A reader's: this interpreter's commands and jobsched, and no settings from elsewhere."""
    settings = ("JOBSCHED_", "STOREFRONT_", "SCHEDULE_")
    others = {"DATABASE_URL", "LOCK_TIMEOUT_MS", "PYTHONPATH"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(settings) and k not in others}
    if has_jobsched:
        kept["PYTHONPATH"] = str(Path(jobsched.__file__).resolve().parents[1])
        if not any(metadata.entry_points(group="pytest11", name="jobsched")):  # not installed
            kept["PYTEST_PLUGINS"] = "jobsched.testing.plugin"
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "120",
    }


def main(arguments: list[str]) -> int:
    for page in arguments:
        try:
            run_page(Path(page))
        except SnippetError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
