"""The example's package, importable as its users have it: from its own folder; and `web_app`."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES / "storefront"), str(Path(__file__).parent)]
pytest.register_assert_rewrite("web_app")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A shop without rows, in a file."""
    from storefront.db import create_tables, open_engine

    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    create_tables(engine)
    yield engine
    engine.dispose()
