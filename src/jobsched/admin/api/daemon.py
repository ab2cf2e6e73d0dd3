"""The daemons, and who changed what."""

from jobsched import documents
from jobsched.admin import cursors
from jobsched.admin.api.queries import AuditList
from jobsched.admin.api.results import AuditItem, AuditPage, DaemonStatus
from jobsched.admin.permissions import Actor, Permission
from jobsched.admin.response import Response, json_response
from jobsched.admin.reticence import shown_state
from jobsched.admin.routes import Call, Route
from jobsched.model import WorkerType
from jobsched.planning.health import live_daemons
from jobsched.store import listing
from jobsched.store.database import Transaction
from jobsched.store.listing import AuditEntry, AuditFilter


def daemon_status(call: Call) -> Response:
    """Who is alive, what runs, and what is wrong, with what to do about it."""
    found = call.scheduler.overview()
    health = documents.health(found.health)
    document: DaemonStatus = {
        "app": found.facts.app,
        "now": documents.time(found.facts.now),
        "daemon_running": bool(live_daemons(found.facts)),
        "daemons": [
            documents.worker(one, found.facts.now)
            for one in found.facts.workers
            if one.worker_type is WorkerType.SCHEDULE_DAEMON
        ],
        "health": health["level"],
        "message": health["message"],
        "problems": [dict(one) for one in health["problems"]],
        "queued": found.queued,
        "running": found.running,
        "waiting": found.waiting,
    }
    return json_response(document)


def audit(call: Call) -> Response:
    """Who changed what, newest first."""
    query = call.query
    wanted = AuditFilter(query.who, query.what, query.target, query.since, query.until)

    def read(tx: Transaction) -> AuditPage:
        page = listing.audit(
            tx, call.scheduler.app, wanted, before=cursors.number(query.cursor), limit=query.limit
        )
        return {
            "items": [_entry(call.actor, one) for one in page.items],
            "next": cursors.cursor(page.next),
            "searched_to": documents.optional_time(page.searched_to),
        }

    return json_response(call.scheduler.read(read))


def _entry(actor: Actor, one: AuditEntry) -> AuditItem:
    return {
        "id": one.id,
        "who": one.who,
        "what": one.what,
        "target": one.target,
        "before": shown_state(actor, one.before),
        "after": shown_state(actor, one.after),
        "reason": one.reason,
        "created_at": documents.time(one.created_at),
    }


ROUTES = (
    Route(
        "GET",
        "/api/daemon/status",
        daemon_status,
        Permission.READ,
        "Whether daemons run, and what is wrong",
        result=DaemonStatus,
    ),
    Route(
        "GET",
        "/api/audit",
        audit,
        Permission.VIEW_AUDIT,
        "Who changed what, newest first",
        query=AuditList,
        result=AuditPage,
    ),
)
