"""Finding the app that a command names, and saying well why it is not found."""

from pathlib import Path

import pytest

from jobsched.cli import apps

APP = "from jobsched import Scheduler\nscheduler = Scheduler('sqlite:///jobs.db', app='found')\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def refused(reference: str) -> str:
    """What is said of a reference that leads nowhere: wrong usage, in one line."""
    with pytest.raises(apps.NoSuchApp) as caught:
        apps.load(reference)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    return caught.value.message


def failed(reference: str) -> str:
    """The traceback that is shown for an app whose module raises."""
    with pytest.raises(apps.AppFailed) as caught:
        apps.load(reference)
    assert caught.value.exit_code == 1
    return caught.value.message


def test_an_app_is_found_from_the_current_folder(folder: Path) -> None:
    """MODULE:ATTRIBUTE is imported from where the command is run."""
    write(folder / "myapp" / "__init__.py", "")
    write(folder / "myapp" / "jobs.py", APP)
    assert apps.load("myapp.jobs:scheduler").app == "found"


def test_an_attribute_may_be_inside_another(folder: Path) -> None:
    """The attribute may be a path, such as `app.scheduler`."""
    write(folder / "web.py", APP + "class app: scheduler = scheduler\n")
    assert apps.load("web:app.scheduler").app == "found"


def test_a_factory_is_called(folder: Path) -> None:
    """A function without arguments that returns a Scheduler will do."""
    write(folder / "factory.py", APP + "def create(): return scheduler\n")
    assert apps.load("factory:create").app == "found"


def test_the_nearest_name_of_an_app_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named beats JOBSCHED_APP, and that beats pyproject.toml."""
    assert apps.find(None) is None
    write(folder / "pyproject.toml", '[tool.jobsched]\napp = "a.b:c"\n')
    assert apps.find(None) == "a.b:c"
    monkeypatch.setenv("JOBSCHED_APP", "d:e")
    assert apps.find(None) == "d:e"
    assert apps.find("f:g") == "f:g"


def test_a_pyproject_without_us_names_no_app(folder: Path) -> None:
    """Other people's pyproject.toml is no mistake."""
    write(folder / "pyproject.toml", "[project]\nname = 'x'\n")
    assert apps.find(None) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("[tool", "cannot be read"), ("[tool.jobsched]\napp = 3\n", "must be a string")],
)
def test_a_wrong_pyproject_is_named(folder: Path, text: str, complaint: str) -> None:
    """The file is named with what is wrong in it."""
    write(folder / "pyproject.toml", text)
    with pytest.raises(apps.NoSuchApp, match=complaint) as caught:
        apps.find(None)
    assert "pyproject.toml" in caught.value.message


def test_a_file_is_not_a_module(folder: Path) -> None:
    """Whoever names a file is shown the module to write."""
    assert "write the module, as in src.myapp.jobs:scheduler" in refused("src/myapp/jobs.py")
    assert "as in jobs:app" in refused("jobs.py:app")


def test_what_is_no_reference_at_all_is_explained(folder: Path) -> None:
    """The message says where an APP can be named, and how."""
    assert "JOBSCHED_APP" in refused("my app")


def test_a_missing_module_is_guessed(folder: Path) -> None:
    """A slip in the module's name gets the one that is there."""
    write(folder / "storefront.py", APP)
    said = refused("storefornt:scheduler")
    assert "there is no module 'storefornt'" in said
    assert str(folder) in said
    assert "did you mean 'storefront'?" in said


def test_a_missing_submodule_is_looked_for_beside_it(folder: Path) -> None:
    """The modules of the package are named, or the close one among them."""
    write(folder / "myapp" / "__init__.py", "")
    write(folder / "myapp" / "jobs.py", APP)
    assert "did you mean 'jobs'?" in refused("myapp.job:scheduler")
    assert "in myapp there is jobs" in refused("myapp.zzz:scheduler")


def test_a_missing_attribute_is_guessed(folder: Path) -> None:
    """A slip gets the close name; otherwise the module's schedulers are named."""
    write(folder / "jobs.py", APP)
    assert "module 'jobs' has no 'schedule'; did you mean 'scheduler'?" in refused("jobs:schedule")
    assert refused("jobs:x").endswith("has no 'x'; write jobs:scheduler")


def test_a_reference_without_attribute_is_completed(folder: Path) -> None:
    """The module's schedulers are named, or that there is none."""
    write(folder / "jobs.py", APP)
    write(folder / "empty.py", "")
    assert "write jobs:scheduler" in refused("jobs")
    assert "no Scheduler is in it" in refused("empty")


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("app = 3", "is an int"),
        ("class app: pass", "is a type"),
        ("def app(): return 'x'", "is a function that returned a str"),
    ],
)
def test_what_is_no_scheduler_says_what_it_is(folder: Path, code: str, what: str) -> None:
    """The message says what was found, and what it must be."""
    write(folder / "odd.py", code)
    said = refused("odd:app")
    assert what in said
    assert "must be a Scheduler" in said


def test_a_module_that_raises_shows_the_users_traceback(folder: Path) -> None:
    """Their frames and error, none of ours and none of the import system's."""
    write(folder / "broken.py", "def connect():\n    raise OSError('no server')\n\nconnect()\n")
    lines = failed("broken:scheduler").splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "OSError: no server"
    frames = [line for line in lines if line.startswith("  File")]
    assert len(frames) == 2
    assert all("broken.py" in frame for frame in frames)


def test_a_module_with_a_syntax_error_shows_its_line(folder: Path) -> None:
    """The line is shown as Python shows it."""
    write(folder / "typo.py", "def x(:\n")
    said = failed("typo:scheduler")
    assert "typo.py" in said
    assert "SyntaxError" in said
    assert "importlib" not in said


def test_a_missing_dependency_is_the_users_own(folder: Path) -> None:
    """A module that the app imports and that is not installed is no wrong APP."""
    write(folder / "needy.py", "import not_installed_anywhere\n")
    said = failed("needy:scheduler")
    assert "needy.py" in said
    assert said.endswith("No module named 'not_installed_anywhere'")


def test_a_factory_that_raises_shows_the_users_traceback(folder: Path) -> None:
    """The same for the call of a factory."""
    write(folder / "factory.py", "def create():\n    return {}['missing']\n")
    said = failed("factory:create")
    assert "cli" not in said
    assert said.endswith("KeyError: 'missing'")


def test_a_wrong_declaration_shows_the_users_line(folder: Path) -> None:
    """An error of jobsched ends at the line that made it, with its message and no internals."""
    write(
        folder / "wrong.py", "from jobsched import Schedule\nSchedule(id='s', cron='61 * * * *')\n"
    )
    said = failed("wrong:scheduler")
    frames = [line for line in said.splitlines() if line.startswith("  File")]
    assert len(frames) == 1
    assert "wrong.py" in frames[0]
    assert "DeclarationError" in said
    assert "During handling" not in said
    assert "direct cause" not in said


def test_a_job_is_no_app_and_is_not_run(folder: Path) -> None:
    """Looking for a Scheduler calls factories, and never a job."""
    (folder / "jobs.py").write_text(
        "from jobsched import Registry\n"
        "@Registry().job\n"
        "def dangerous():\n"
        "    raise SystemExit('it ran')\n"
    )
    with pytest.raises(apps.NoSuchApp, match="is a Job; it must be a Scheduler"):
        apps.load("jobs:dangerous")
