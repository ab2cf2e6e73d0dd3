"""Pages for who is not let in, and for what cannot be answered."""

from jobsched.admin.pages.rendering import render_alone
from jobsched.admin.permissions import Actor
from jobsched.admin.refusal import RefusalError
from jobsched.admin.request import Request

_HEADINGS = {
    "unauthorized": "Sign in first",
    "forbidden": "You may not do this",
    "cross_site": "This came from another site",
    "not_found": "There is nothing here",
    "database": "The database does not answer",
    "schema": "The tables are not as this code needs them",
    "conflict": "This cannot be done now",
    "fault": "Something is wrong here",
}

_ADVICE = {
    "unauthorized": "Sign in to the application that these pages belong to, and come back.",
    "forbidden": "Ask whoever runs this application to give you that permission.",
    "cross_site": "Open these pages by themselves, and ask for the change there.",
    "database": (
        "Schedules, firings and their history are in it, so nothing can be shown until it is back. "
        "Daemons go on with what they run, and try again too."
    ),
    "fault": "Whoever runs this application finds the cause in its log.",
}
"""What to do, where the message itself does not say it."""


def sign_in(request: Request, title: str, *, said: str = "", wanted: str | None = None) -> str:
    """The form that takes a token; `wanted` is where it leads to, by default back here."""
    if wanted is None:
        wanted = request.path if request.method == "GET" else "/"
    return render_alone(request, None, title, "sign_in.html", said=said, wanted=wanted)


def problem(request: Request, actor: Actor | None, title: str, refused: RefusalError) -> str:
    """What is wrong, and what to do."""
    message = refused.message
    if refused.code == "unauthorized":
        message = ""  # the heading says it
    elif refused.code != "forbidden":  # that one begins with a name
        message = message[:1].upper() + message[1:]
    return render_alone(
        request,
        actor,
        title,
        "problem.html",
        advice=_ADVICE.get(refused.code, ""),
        again=refused.status == 503 and request.method == "GET",
        heading=_HEADINGS.get(refused.code, "This cannot be answered"),
        message=message,
        refused=refused,
    )
