"""A database that has seen a morning, and the admin on it in each of its hosts."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# pytest alone does not put the checkout on the path; the tests share modules.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jobsched.admin.access import EVERYTHING, Actor, bearer_tokens
from tests.admin import world
from tests.admin.examples import TOKEN
from tests.admin.hosts import ADAPTERS, PREFIX, AsgiTransport, Client, mounted, transport
from tests.admin.world import Site

KARI = Actor("kari", EVERYTHING)

MakeClient = Callable[..., Client]


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The SQLite database that every test gets a copy of, and its ids of note."""
    path = tmp_path_factory.mktemp("admin") / "morning.db"
    ids = world.build(f"sqlite:///{path}")
    return path, ids


@pytest.fixture
def make_site(
    morning: tuple[Path, dict[str, int]], tmp_path: Path
) -> Iterator[Callable[..., Site]]:
    """Makes copies of the morning's database, all alike."""
    made: list[Site] = []

    def make(app: str = "default") -> Site:
        path, ids = morning
        site = world.web(world.copy(path, tmp_path / f"copy-{len(made)}.db"), app=app)
        site.ids.update(ids)
        made.append(site)
        return site

    yield make
    for site in made:
        site.scheduler.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A copy of the morning's database, for one test alone."""
    return make_site()


@pytest.fixture(scope="session")
def looked_at(
    morning: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A copy for all tests that only look."""
    path, ids = morning
    folder = tmp_path_factory.mktemp("looked-at")
    site = world.web(world.copy(path, folder / "jobs.db"))
    site.ids.update(ids)
    yield site
    site.scheduler.close()


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes a client of the admin in a host: `adapter`, scheduler, and what the adapter takes."""
    opened: list[AsgiTransport] = []

    def make(
        adapter: str,
        scheduler: Any,
        *,
        access: Any = None,
        prefix: str = PREFIX,
        root: str = "",
        transport_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> Client:
        app = mounted(adapter, scheduler, prefix, access=access or (lambda native: KARI), **options)
        made = transport(adapter, app, root=root, **(transport_options or {}))
        if isinstance(made, AsgiTransport):
            opened.append(made)
        return Client(made, root + prefix)

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def readers(looked_at: Site) -> Iterator[dict[str, Client]]:
    """By adapter, somebody with a token on the database that nobody changes."""
    made = {
        adapter: Client(
            transport(
                adapter,
                mounted(
                    adapter,
                    looked_at.scheduler,
                    PREFIX,
                    access=bearer_tokens({TOKEN: "kari"}),
                ),
            ),
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        for adapter in ADAPTERS
    }
    yield made
    for one in made.values():
        if isinstance(one.transport, AsgiTransport):
            one.transport.close()


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    """Each adapter in turn."""
    return str(request.param)


@pytest.fixture
def client(adapter: str, make_client: MakeClient, site: Site) -> Client:
    """Somebody who may do everything, through each adapter in turn."""
    return make_client(adapter, site.scheduler)


@pytest.fixture
def api(make_client: MakeClient, site: Site) -> Client:
    """The same through one adapter, where the adapter does not matter."""
    return make_client("wsgi_app", site.scheduler)


@pytest.fixture
def reading(make_client: MakeClient, looked_at: Site) -> Client:
    """The same, on the database that nobody changes."""
    return make_client("wsgi_app", looked_at.scheduler)
