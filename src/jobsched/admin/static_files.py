"""Styles and scripts, by a manifest: nothing else in the package can be asked for."""

import hashlib
from functools import cache
from importlib.resources import files

from jobsched.admin.refusal import RefusalError
from jobsched.admin.response import Response
from jobsched.admin.routes import Call

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def manifest() -> dict[str, tuple[bytes, str]]:
    """The files that are served: content and type, by name."""
    found = {}
    for entry in files("jobsched.admin.pages").joinpath("static").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _TYPES:
            found[entry.name] = (entry.read_bytes(), _TYPES[suffix])
    return found


@cache
def version() -> str:
    """Changes with any of the files, and stands in their addresses: they are kept for a year."""
    digest = hashlib.sha256()
    for name, (content, _) in sorted(manifest().items()):
        digest.update(name.encode() + b"\x00" + content)
    return digest.hexdigest()[:12]


def serve(call: Call) -> Response:
    """One of the files, of this version."""
    found = manifest().get(call.path["name"])
    if found is None or call.path["version"] != version():
        raise RefusalError(404, "not_found", "there is no such file in this version of jobsched")
    content, content_type = found
    kept = ("Cache-Control", "public, max-age=31536000, immutable")
    return Response(200, content, content_type, (kept,))
