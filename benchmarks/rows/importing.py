"""`import jobsched` by the import of SQLAlchemy, croniter, pydantic and pydantic-settings."""

from benchmarks.program import Program
from benchmarks.setting import Line, Measure, Setting
from benchmarks.statistics import REPETITIONS, Bar, paired_ratios

BARE = ("sqlalchemy", "croniter", "pydantic", "pydantic_settings")
PUBLIC = ("jobsched", "jobsched.scheduler", "jobsched.declarations", "jobsched.registry")
"""What a host imports: names of the package are loaded when they are first asked for."""
BAR = Bar(1.3, at_most=True)
AT_LEAST = 15
"""An import is short: more repetitions cost nothing."""


def measure(setting: Setting) -> list[Line]:
    """Fresh processes, in turn; the first round fills the caches and is not counted."""
    found = Measure("import")
    times = setting.repetitions if setting.small else max(AT_LEAST, setting.repetitions)
    warm = 0 if setting.small else 1
    seconds: dict[str, list[float]] = {"bare": [], "jobsched": [], "all": []}
    for repetition in range(times + warm):
        for name, modules in (("bare", BARE), ("jobsched", PUBLIC[:1]), ("all", PUBLIC)):
            plan = {"modules": modules}
            took = Program("programs/importing.py", plan).run()["seconds"]
            if repetition >= warm:
                seconds[name].append(took)
    setting.say(f"{times} imports")
    note = "" if times >= REPETITIONS else "small"
    found.add("import jobsched", [1000 * one for one in seconds["jobsched"]], "ms", note=note)
    found.add("import of its dependencies", [1000 * one for one in seconds["bare"]], "ms")
    bare = seconds["bare"]
    found.add(
        "import jobsched by its dependencies", paired_ratios(seconds["jobsched"], bare), "", BAR
    )
    measure = "with Scheduler, Schedule and job, by its dependencies"
    found.add(measure, paired_ratios(seconds["all"], bare), "")
    return found.lines
