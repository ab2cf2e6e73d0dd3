"""The shop's tables, and how they are opened.

jobsched keeps the state of the schedules in the same SQLite file, in tables of its own.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    TypeDecorator,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

HOME = Path(__file__).resolve().parent.parent
"""The example's folder: where the database and the feed folders are by default."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC; SQLite itself keeps no zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; pass an aware datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: UtcDateTime, list[str]: JSON}


class Product(Base):
    __tablename__ = "product"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    category: Mapped[str] = mapped_column(index=True)
    price_cents: Mapped[int]
    stock: Mapped[int]
    last_feed_at: Mapped[datetime]


class FeedImport(Base):
    """One feed file that has been imported, known by its content: none is imported twice."""

    __tablename__ = "feed_import"

    digest: Mapped[str] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    imported: Mapped[int]
    refused: Mapped[int]
    imported_at: Mapped[datetime]


class User(Base):
    __tablename__ = "shop_user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str]


class Event(Base):
    """A visitor's ``view`` of a product, or an ``order`` of it."""

    __tablename__ = "shop_event"
    __table_args__ = (Index("shop_event_user", "user_id", "happened_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("shop_user.id"))
    sku: Mapped[str] = mapped_column(ForeignKey("product.sku"), index=True)
    kind: Mapped[str]
    happened_at: Mapped[datetime] = mapped_column(index=True)


class UserTrait(Base):
    """What a user's behaviour says of them; rebuilt from the events."""

    __tablename__ = "user_trait"

    user_id: Mapped[int] = mapped_column(ForeignKey("shop_user.id"), primary_key=True)
    favourite_categories: Mapped[list[str]]
    price_low_cents: Mapped[int]
    price_high_cents: Mapped[int]
    recency: Mapped[str]
    last_seen_at: Mapped[datetime]


class UserMatch(Base):
    """A product to show to a user; the best score is the first."""

    __tablename__ = "user_match"

    user_id: Mapped[int] = mapped_column(ForeignKey("shop_user.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("product.sku"), primary_key=True)
    score: Mapped[float]


# A full-text table is SQLite's own kind; SQLAlchemy has no model for it.
PROFILE_SEARCH = """
CREATE VIRTUAL TABLE IF NOT EXISTS profile_search
USING fts5(user_id UNINDEXED, name, city, interests, tokenize = 'unicode61 remove_diacritics 2')
"""


def database_url() -> str:
    """``STOREFRONT_DATABASE_URL``, or ``storefront.db`` in the example's folder.

    A relative SQLite path means that folder too, wherever the command is run from.
    """
    url = make_url(os.environ.get("STOREFRONT_DATABASE_URL", "sqlite:///storefront.db"))
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError(
            f"STOREFRONT_DATABASE_URL is {url.render_as_string()!r}, but the example needs an"
            " SQLite file (its search uses FTS5); write sqlite:///storefront.db"
        )
    return url.set(database=str(HOME / url.database)).render_as_string(hide_password=False)


def open_engine(url: str) -> Engine:
    """The shop's engine. Nothing is opened or created until the first connection."""
    # Each transaction takes SQLite's write lock at its start and waits for it: one that read
    # first and wrote later would fail at once if another process wrote in between.
    engine = create_engine(url, connect_args={"timeout": 30, "isolation_level": None})
    event.listen(engine, "begin", _begin_immediate)
    return engine


def create_tables(engine: Engine) -> None:
    """Create what is missing of the shop's tables."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(text(PROFILE_SEARCH))


def database_time(session: Session) -> datetime:
    """The time by the database's clock, to the second."""
    found: Any = session.scalar(select(func.datetime("now")))
    return datetime.fromisoformat(found).replace(tzinfo=UTC)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
