"""The JSON API: what each route shows and changes, by the database's word."""

import base64
import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched.admin.access import EVERYTHING, Actor, Permission
from jobsched.model import FiringStatus
from tests.admin import hostile
from tests.admin.conftest import MakeClient
from tests.admin.examples import JOB, SCHEDULE
from tests.admin.hosts import Client
from tests.admin.world import NOON, Site

SHOWN_OF_A_SCHEDULE = {
    *("id", "app", "name", "description", "enabled", "disabled_reason", "problem", "retired_at"),
    *("next_run_at", "last_run_at", "last_scheduled_for", "run_count", "failure_count", "recent"),
    *("cron", "every_s", "at", "timezone", "start", "end", "execution_mode", "group", "jobs"),
    *("environments", "environment", "in_environment", "overlap", "misfire", "misfire_grace_s"),
    *("catchup_window_s", "max_catchup", "start_deadline_s", "timeout_s", "priority", "jitter_s"),
    *("params", "include_dependencies", "words", "last_result", "overdue"),
}


def ids_of(items: list[Any]) -> list[Any]:
    return [one["id"] for one in items]


# Schedules


def test_schedules_are_listed_with_their_state(reading: Client) -> None:
    """Every schedule of the app once, in order of ids, retired ones and other apps' left out."""
    items = reading.all_items("/api/schedules?limit=3")
    assert ids_of(items) == sorted(ids_of(items))
    assert {SCHEDULE, "nightly", "paused"} <= set(ids_of(items))
    assert not {"gone", "other-apps"} & set(ids_of(items))
    assert set(items[0]) == SHOWN_OF_A_SCHEDULE
    found = {one["id"]: one for one in items}
    assert found[SCHEDULE]["words"] == "every 15 minutes"
    assert found["hourly-broken"]["last_result"] == "FAILED"
    assert found["paused"]["disabled_reason"] == "the supplier is closed"


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("view=enabled", SCHEDULE, "paused"),
        ("view=disabled", "paused", SCHEDULE),
        ("view=failing", "hourly-broken", "retried"),
        ("view=retired", "gone", SCHEDULE),
        ("view=problem", "..", SCHEDULE),
        ("view=running", "long-export", "nightly"),
        ("group=feed", SCHEDULE, "nightly"),
        ("search=FEED", SCHEDULE, "nightly"),
        ("search=suppliers", SCHEDULE, "nightly"),
        ("job=broken", "hourly-broken", SCHEDULE),
        ("job=import_feeds", SCHEDULE, "hourly-broken"),
    ],
)
def test_schedules_are_filtered(query: str, there: str, not_there: str, reading: Client) -> None:
    """By view, group, job and a part of what they say."""
    found = ids_of(reading.all_items(f"/api/schedules?limit=4&{query}"))
    assert there in found
    assert not_there not in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("sort", "key"), [("next_run", "next_run_at"), ("last_run", "last_run_at")]
)
def test_schedules_are_sorted(sort: str, key: str, reading: Client) -> None:
    """By time, those without one last; page after page each comes once."""
    items = reading.all_items(f"/api/schedules?limit=3&sort={sort}")
    times = [one[key] for one in items]
    known = [time for time in times if time is not None]
    assert times == known + [None] * (len(times) - len(known))
    assert known == sorted(known, reverse=sort == "last_run")
    assert len(ids_of(items)) == len(set(ids_of(items)))


def test_one_schedule_with_what_is_to_come(reading: Client) -> None:
    """Its next occurrences, as many as asked for, and whether a daemon declares it otherwise."""
    one = reading.get(f"/api/schedules/{SCHEDULE}?n=3").json()
    assert set(one) == SHOWN_OF_A_SCHEDULE | {"next_runs", "drift"}
    assert [time[11:16] for time in one["next_runs"]] == ["12:15", "12:30", "12:45"]
    assert one["drift"] is False
    assert reading.get(f"/api/schedules/{SCHEDULE}?n=0").json()["next_runs"] == []
    assert reading.get("/api/schedules/other-apps").status == 404


def test_disabling_and_enabling(api: Client, site: Site) -> None:
    """Disabling clears the next run and keeps the reason; enabling computes it from now."""
    off = api.put(f"/api/schedules/{SCHEDULE}", {"enabled": False, "reason": "stocktaking"})
    assert off.status == 200
    assert (off.json()["next_run_at"], off.json()["disabled_reason"]) == (None, "stocktaking")
    site.clock.advance(timedelta(hours=3))
    on = api.put(f"/api/schedules/{SCHEDULE}", {"enabled": True}).json()
    assert on["next_run_at"] == "2026-03-02T15:15:00.000000Z"
    assert on["disabled_reason"] is None
    assert [(row.who, row.what, row.reason) for row in site.audit()[-2:]] == [
        ("kari", "disable", "stocktaking"),
        ("kari", "enable", None),
    ]
    assert api.put("/api/schedules/gone", {"enabled": True}).status == 409
    assert api.put("/api/schedules/nobody", {"enabled": True}).status == 404
    assert api.put(f"/api/schedules/{SCHEDULE}", {}).message.startswith("enabled: ")


def test_a_schedule_is_triggered(api: Client, site: Site) -> None:
    """202 with the new firing and where it is; a second one that would wait is a conflict."""
    answer = api.post("/api/schedules/nightly/trigger", {"params": {"limit": 2}})
    assert answer.status == 202
    firing = answer.json()
    assert answer.header("location") == f"/ops/jobs/api/firings/{firing['id']}"
    assert (firing["status"], firing["trigger"]) == ("QUEUED", "MANUAL")
    assert (firing["requested_by"], firing["params"]) == ("kari", {"limit": 2})
    second = api.post("/api/schedules/nightly/trigger", {})
    assert (second.status, second.code) == (409, "conflict")
    assert f"firing {firing['id']}" in second.message
    assert [row.what for row in site.audit()].count("trigger") == 4  # and three in the morning


def test_a_double_click_is_one_firing(api: Client, site: Site) -> None:
    """The same Idempotency-Key gives the same firing, and one line in the audit log."""
    before = len(site.audit())
    keyed = {"Idempotency-Key": "click-1"}
    first = api.post("/api/schedules/nightly/trigger", {}, headers=keyed)
    again = api.post("/api/schedules/nightly/trigger", {}, headers=keyed)
    assert first.status == again.status == 202
    assert first.json()["id"] == again.json()["id"]
    assert len(site.audit()) == before + 1


def test_params_that_no_job_takes_are_refused(api: Client, site: Site) -> None:
    """422 names them; nothing was written."""
    before = (len(site.rows("job_firing")), len(site.audit()))
    answer = api.post(f"/api/schedules/{SCHEDULE}/trigger", {"params": {"colour": "red"}})
    assert answer.status == 422
    assert "colour" in answer.message
    assert (len(site.rows("job_firing")), len(site.audit())) == before


def test_the_history_of_a_schedule(reading: Client) -> None:
    """Its firings with their job runs, newest first, each once; of an unknown one 404."""
    items = reading.all_items(f"/api/schedules/{SCHEDULE}/history?limit=2")
    assert ids_of(items) == sorted(ids_of(items), reverse=True)
    assert {one["schedule_id"] for one in items} == {SCHEDULE}
    ran = next(one for one in items if one["status"] in ("SUCCESS", "FAILED"))
    assert [run["job_name"] for run in ran["runs"]] == ["import_feeds", "publish", "notify"]
    failed = reading.all_items("/api/schedules/hourly-broken/history?status=failed")
    assert failed
    assert all(one["status"] == "FAILED" for one in failed)
    assert reading.get("/api/schedules/nobody/history").status == 404


# Firings and job runs


def test_firings_across_schedules(reading: Client, looked_at: Site) -> None:
    """Every firing of the app once, newest first."""
    found = ids_of(reading.all_items("/api/firings?limit=7"))
    assert found == [row.id for row in reversed(looked_at.rows("job_firing", app="default"))]


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("status=FAILED", lambda one: one["status"] == "FAILED"),
        ("status=failed,skipped", lambda one: one["status"] in ("FAILED", "SKIPPED")),
        ("trigger=MANUAL", lambda one: one["trigger"] == "MANUAL"),
        ("schedule=feed-refresh", lambda one: one["schedule_id"] == "feed-refresh"),
        ("job=import_feeds", lambda one: one["job_name"] == "import_feeds"),
        ("since=2026-03-02T11:00:00Z", lambda one: one["created_at"] >= "2026-03-02T11"),
        ("until=2026-03-02T11:00:00Z", lambda one: one["created_at"] < "2026-03-02T11"),
    ],
)
def test_firings_are_filtered(query: str, holds: Any, reading: Client) -> None:
    """By status, trigger, schedule, job and time, and by all of them together."""
    everything = reading.all_items("/api/firings?limit=200")
    found = reading.all_items(f"/api/firings?limit=3&{query}")
    assert found == [one for one in everything if holds(one)]
    assert 0 < len(found) < len(everything)


def test_a_list_is_walked_once_while_it_grows(api: Client, site: Site) -> None:
    """What comes meanwhile is not shown, and nothing is shown twice or missed."""
    before = ids_of(api.all_items("/api/firings?limit=200"))
    first = api.get("/api/firings?limit=5").json()
    seen = ids_of(first["items"])
    cursor = first["next"]
    while cursor is not None:
        api.post(f"/api/jobs/{JOB}/trigger", {})
        page = api.get(f"/api/firings?limit=5&cursor={cursor}").json()
        seen += ids_of(page["items"])
        cursor = page["next"]
    assert seen == before


def test_one_firing(reading: Client, looked_at: Site) -> None:
    """With its plan as job runs in order; of another app it is not there."""
    firing = reading.get(f"/api/firings/{looked_at.ids['of feed-refresh']}").json()
    assert firing["runs"]
    assert {run["firing_id"] for run in firing["runs"]} == {firing["id"]}
    theirs = looked_at.ids["other's firing"]
    assert reading.get(f"/api/firings/{theirs}").status == 404
    assert reading.get("/api/firings/999999999999999999").status == 404


def test_a_firing_is_cancelled(api: Client, site: Site) -> None:
    """What runs is asked to stop, what has ended is a conflict, an unknown job is not found."""
    running = site.ids["RUNNING"]
    answer = api.post(f"/api/firings/{running}/cancel", {"reason": "too long"})
    assert answer.status == 202
    assert answer.json()["cancel_requested_at"] == "2026-03-02T12:00:00.000000Z"
    row = site.audit()[-1]
    assert (row.who, row.what, row.target, row.reason) == (
        *("kari", "cancel", f"firing {running}", "too long"),
    )
    assert api.post(f"/api/firings/{site.ids['SUCCESS']}/cancel", {}).status == 409
    assert api.post(f"/api/firings/{running}/cancel", {"job": "nobody"}).status == 404
    assert site.audit()[-1].id == row.id


def test_a_firing_is_retried(api: Client, site: Site) -> None:
    """It is queued again; one that succeeded is a conflict."""
    failed = site.ids["FAILED"]
    answer = api.post(f"/api/firings/{failed}/retry")
    assert answer.status == 202
    assert answer.json()["status"] == "QUEUED"
    assert site.scheduler.firing(failed).status is FiringStatus.QUEUED
    assert site.audit()[-1].what == "retry"
    assert api.post(f"/api/firings/{site.ids['SUCCESS']}/retry").status == 409


def test_job_runs_across_firings(reading: Client, looked_at: Site) -> None:
    """Every attempt once, newest first, and filtered as firings are."""
    everything = reading.all_items("/api/runs?limit=9")
    ids = ids_of(everything)
    assert ids == sorted(ids, reverse=True)
    failed = reading.all_items("/api/runs?status=FAILED&limit=2")
    assert failed == [one for one in everything if one["status"] == "FAILED"]
    of_job = reading.all_items(f"/api/runs?job={JOB}")
    assert {one["job_name"] for one in of_job} == {JOB}
    firing = looked_at.ids["of feed-refresh"]
    assert {one["firing_id"] for one in reading.items(f"/api/runs?firing={firing}")} == {firing}
    one = reading.get(f"/api/runs/{ids[0]}").json()
    assert one == everything[0]
    assert reading.get("/api/runs/999999999999").status == 404


def test_log_lines_since_one_that_is_known(api: Client, site: Site) -> None:
    """Page by page in order, then what has come since; `ended` says that no more will."""
    run = api.items(f"/api/runs?job={JOB}&status=SUCCESS&limit=1")[0]["id"]
    whole = api.get(f"/api/runs/{run}/logs").json()
    assert [line["message"] for line in whole["items"]] == [
        f"feed {n} of {len(whole['items'])}" for n in range(1, len(whole["items"]) + 1)
    ]
    assert (whole["next"], whole["ended"]) == (None, True)
    first = api.get(f"/api/runs/{run}/logs?limit=1").json()
    assert first["next"] is not None
    rest = api.get(f"/api/runs/{run}/logs?after={first['after']}").json()
    assert first["items"] + rest["items"] == whole["items"]
    known = whole["after"]
    assert api.get(f"/api/runs/{run}/logs?after={known}").json()["items"] == []
    line = {"job_run_id": run, "level": "INFO", "message": "one more", "created_at": NOON}
    site.sql(lambda tx: tx.connection.execute(sa.insert(tx.tables.job_log).values(line)))
    more = api.get(f"/api/runs/{run}/logs?after={known}").json()
    assert [one["message"] for one in more["items"]] == ["one more"]
    assert more["after"] > known
    running = site.ids["run RUNNING"]
    assert api.get(f"/api/runs/{running}/logs").json()["ended"] is False


# Jobs


def test_jobs_are_listed(reading: Client) -> None:
    """With groups, dependencies and parameters, those of other apps left out."""
    found = {one["name"]: one for one in reading.items("/api/jobs")}
    assert found["publish"]["depends_on"] == ["import_feeds"]
    assert "limit" in json.dumps(found[JOB]["parameters"])
    assert "theirs" not in found
    assert {one["name"] for one in reading.items("/api/jobs?group=feed")} == {
        *("import_feeds", "publish", "notify"),
    }


@pytest.mark.parametrize("name", [JOB, "<script>alert('name')<%2Fscript>", "a%2Fb"])
def test_one_job_is_run(name: str, api: Client, site: Site) -> None:
    """202 with a manual firing of that job alone, whatever its name; it is audited."""
    answer = api.post(f"/api/jobs/{name}/trigger", {})
    assert answer.status == 202, answer
    firing = answer.json()
    assert (firing["schedule_id"], firing["trigger"]) == (None, "MANUAL")
    assert firing["job_name"] == name.replace("%2F", "/")
    assert (site.audit()[-1].what, site.audit()[-1].who) == ("trigger", "kari")


def test_an_unknown_job_is_not_run(api: Client) -> None:
    """404, and its params are checked as a schedule's are."""
    assert api.post("/api/jobs/nobody/trigger", {}).status == 404
    assert api.post(f"/api/jobs/{JOB}/trigger", {"params": {"colour": 1}}).status == 422


# The daemons, figures, audit


def test_the_daemons_are_seen_to_be_dead(api: Client, site: Site) -> None:
    """By a web process alone: overdue is found although every daemon is gone."""
    alive = api.get("/api/daemon/status").json()
    assert set(alive) == {
        *("app", "now", "daemon_running", "daemons", "health", "message", "problems"),
        *("queued", "running", "waiting"),
    }
    assert alive["daemon_running"] is True
    site.clock.advance(timedelta(hours=2))
    dead = api.get("/api/daemon/status").json()
    assert (dead["daemon_running"], dead["health"]) == (False, "critical")
    kinds = {one["kind"] for one in dead["problems"]}
    assert {"no_daemon", "overdue"} <= kinds
    assert all(one["message"] and one["level"] for one in dead["problems"])
    assert SCHEDULE in ids_of(api.items("/api/schedules?view=overdue&limit=200"))
    assert api.get(f"/api/schedules/{SCHEDULE}").json()["overdue"] is True


def test_figures_of_each_schedule(reading: Client) -> None:
    """Totals, success rate and durations of its last firings; nothing for one that never ran."""
    found = {one["schedule_id"]: one for one in reading.all_items("/api/stats?limit=4")}
    feed = found[SCHEDULE]
    assert feed["run_count"] + feed["failure_count"] == feed["last_firings"]
    assert feed["success_rate"] == pytest.approx(feed["run_count"] / feed["last_firings"])
    assert feed["duration_p50_ms"] == 31_000  # 20 s, 10 s and 1 s
    assert feed["duration_p50_ms"] <= feed["duration_p95_ms"]
    nothing = found["dev-only"]
    assert (nothing["last_firings"], nothing["success_rate"]) == (0, None)
    assert found["hourly-broken"]["success_rate"] == 0


def test_who_changed_what(api: Client, site: Site) -> None:
    """Newest first, filtered by who, what and target."""
    api.put(f"/api/schedules/{SCHEDULE}", {"enabled": False, "reason": "stocktaking"})
    items = api.all_items("/api/audit?limit=2")
    assert ids_of(items) == sorted(ids_of(items), reverse=True)
    assert items[0]["before"] == {"enabled": True}
    assert items[0]["after"]["enabled"] is False
    assert {one["who"] for one in api.items("/api/audit?who=ola")} == {"ola"}
    assert {one["what"] for one in api.items("/api/audit?what=cancel")} == {"cancel"}
    targets = {one["target"] for one in api.items(f"/api/audit?target=schedule {SCHEDULE}")}
    assert targets == {f"schedule {SCHEDULE}"}
    assert hostile.SECRET not in json.dumps(items)
    assert not any(one["who"] == "somebody else" for one in items)


def test_cursors_are_opaque_and_honest(reading: Client) -> None:
    """A cursor is base64 of what the last item sorts by; at the end it is null."""
    page = reading.get("/api/firings?limit=1").json()
    decoded = json.loads(base64.urlsafe_b64decode(page["next"] + "=="))
    assert decoded == [page["items"][0]["id"]]
    assert reading.get("/api/firings?limit=200").json()["next"] is None


def test_times_are_utc(reading: Client) -> None:
    """ISO 8601 with microseconds and a final Z, all of one length."""
    for one in reading.items("/api/firings?limit=20"):
        assert one["created_at"].endswith("Z")
        assert datetime.fromisoformat(one["created_at"]).tzinfo is not None
        assert len(one["created_at"]) == 27


# Conditional requests

WATCHED = (
    *("/", f"/schedules/{SCHEDULE}", "/firings", "/runs", "/jobs", "/workers", "/audit"),
    *("/timeline", "/api/schedules", f"/api/schedules/{SCHEDULE}", "/api/firings", "/api/runs"),
    *("/api/jobs", "/api/stats", "/api/audit"),
)


@pytest.mark.parametrize("target", WATCHED)
def test_what_is_known_already_is_not_sent_again(target: str, client: Client) -> None:
    """304 without a body for the same ETag; another view or another tag gets the whole."""
    answer = client.get(target)
    tag = str(answer.header("etag"))
    same = client.get(target, headers={"If-None-Match": f'"other", {tag}'})
    assert (same.status, same.body) == (304, b"")
    assert same.header("etag") == tag
    assert client.get(target, headers={"If-None-Match": '"other"'}).status == 200


TRIGGER = ("POST", "/api/schedules/nightly/trigger", {})
ENABLE = ("PUT", "/api/schedules/nightly", {"enabled": True})
CHANGES = [
    *((TRIGGER, target) for target in ("/", "/firings", "/api/firings", "/audit", "/timeline")),
    *((ENABLE, target) for target in ("/", "/schedules/nightly", "/api/schedules", "/audit")),
]


@pytest.mark.parametrize(("change", "target"), CHANGES, ids=str)
def test_a_change_changes_the_tag(
    change: tuple[str, str, dict[str, Any]], target: str, api: Client
) -> None:
    """What has changed is sent, although the tag of before is known."""
    tag = str(api.get(target).header("etag"))
    method, changed, document = change
    assert api(method, changed, document=document).status in (200, 202)
    assert api.get(target, headers={"If-None-Match": tag}).status == 200


def test_who_may_see_less_has_another_tag(make_client: MakeClient, looked_at: Site) -> None:
    """A tag never hands one actor's page to another."""
    from jobsched.admin.access import READ_ONLY, Actor

    tags = {
        make_client("wsgi_app", looked_at.scheduler, access=lambda native, one=one: one)
        .get("/")
        .header("etag")
        for one in (Actor("kari", READ_ONLY), Actor("ola", READ_ONLY), Actor("ola", ["read"]))
    }
    assert len(tags) == 3


def test_the_csv_file_says_why(site: Site, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which job of a failed firing failed, and how, as the list on the page does."""
    monkeypatch.setattr("jobsched.admin.pages.firings.FAILURES_AT_ONCE", 2)
    rows = list(csv.DictReader(io.StringIO(api.get("/firings.csv").text, newline="")))
    assert len(rows) == len(site.rows("job_firing", app="default"))
    why = {int(row["firing"]): row["why"] for row in rows}
    assert why[site.ids["of hourly-broken"]].startswith("broken: ValueError: password=***")
    failed = [row for row in rows if row["status"] == "FAILED"]
    assert len(failed) > 2
    assert all(row["why"] for row in failed)


def test_a_schedule_s_page_says_why(make_client: MakeClient, looked_at: Site) -> None:
    """As the list of firings does: which job failed, and how, to those who may see it."""
    for seen in (EVERYTHING, EVERYTHING - {Permission.VIEW_LOGS}):
        actor = Actor("ola", seen)
        client = make_client("wsgi_app", looked_at.scheduler, access=lambda native, a=actor: a)
        page = client.get("/schedules/hourly-broken").text
        assert ("broken: ValueError: password=***" in page) == (seen == EVERYTHING)
