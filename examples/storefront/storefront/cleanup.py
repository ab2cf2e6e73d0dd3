"""What the shop no longer needs is deleted."""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, delete, select
from sqlalchemy.orm import Session

from storefront.db import Event, FeedImport, Product, UserMatch
from storefront.feeds import Folders

KEEP_VIEWS = timedelta(days=90)
KEEP_UNLISTED_PRODUCTS = timedelta(days=30)
KEEP_FEED_IMPORTS = timedelta(days=365)
"""As long as an old price list must not be imported again."""
KEEP_FEED_FILES = timedelta(days=30)


def delete_old_rows(session: Session, now: datetime) -> dict[str, int]:
    """Delete views, forgotten imports, and products that no feed lists and nobody looked at.

    Returns how many rows of each kind went. Orders are kept: accounting needs them.
    """
    views = delete(Event).where(Event.kind == "view", Event.happened_at < now - KEEP_VIEWS)
    imports = delete(FeedImport).where(FeedImport.imported_at < now - KEEP_FEED_IMPORTS)
    deleted = {"views": _count(session, views), "feed_imports": _count(session, imports)}
    unlisted = select(Product.sku).where(
        Product.last_feed_at < now - KEEP_UNLISTED_PRODUCTS,
        Product.sku.not_in(select(Event.sku)),
    )
    session.execute(delete(UserMatch).where(UserMatch.sku.in_(unlisted)))
    deleted["products"] = _count(session, delete(Product).where(Product.sku.in_(unlisted)))
    return deleted


def delete_old_files(folders: Folders, now: datetime) -> int:
    """Delete feeds, and reasons, that were dealt with long ago; the number of them."""
    oldest = (now - KEEP_FEED_FILES).timestamp()
    old = [
        path
        for folder in (folders.done, folders.rejected)
        if folder.is_dir()
        for path in folder.iterdir()
        if path.stat().st_mtime < oldest
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _count(session: Session, statement: Delete) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
