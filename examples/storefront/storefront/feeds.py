"""Suppliers' feeds: files dropped into ``inbox/`` become products.

A feed is a CSV file with a header, or JSON lines, with sku, name, category, price and stock.
A writer drops it under another suffix (``.part``) and renames it when it is complete.
"""

import csv
import hashlib
import io
import json
import logging
import reprlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from storefront.db import FeedImport, Product

log = logging.getLogger(__name__)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Offer(BaseModel):
    """One row of a feed."""

    sku: Text
    name: Text
    category: Text
    price: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=2)]
    stock: Annotated[int, Field(ge=0, le=1_000_000)]


class Verdict(StrEnum):
    IMPORTED = "imported"
    REPEATED = "repeated"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Outcome:
    """What became of one feed file, and of how many of its rows."""

    file_name: str
    verdict: Verdict
    imported: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Folders:
    """Where feeds arrive, and where they go when they have been looked at."""

    inbox: Path
    done: Path
    rejected: Path

    @classmethod
    def under(cls, home: Path) -> "Folders":
        return cls(home / "inbox", home / "done", home / "rejected")

    def create(self) -> None:
        for folder in (self.inbox, self.done, self.rejected):
            folder.mkdir(parents=True, exist_ok=True)


class BadFeed(Exception):
    """The file as a whole is no feed; the text is the reason told to its supplier."""


def waiting_feeds(folders: Folders) -> list[Path]:
    """The complete files of the inbox, by name."""
    if not folders.inbox.is_dir():
        return []
    return sorted(
        path
        for path in folders.inbox.iterdir()
        if path.is_file() and path.suffix != ".part" and not path.name.startswith(".")
    )


def import_feed(engine: Engine, folders: Folders, path: Path, now: datetime) -> Outcome | None:
    """Import one file in one transaction, then move it out of the inbox.

    The same content is imported once, however often it is dropped or the import is run again.
    A row that is wrong is reported in the log and left out; a file without one good row is
    rejected, with the reason in a file beside it. None when another import took the file.
    """
    folders.create()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest = hashlib.sha256(content).hexdigest()
    try:
        offers, refused = _read(path.name, content)
    except BadFeed as reason:
        return _reject(folders, path, digest, str(reason))
    with Session(engine) as session, session.begin():
        is_new = _remember(session, digest, path.name, len(offers), refused, now)
        if is_new:
            _store(session, offers, now)
    # After the commit: if the process ends here, the next import finds the digest and moves it.
    _move(path, folders.done, digest)
    if not is_new:
        log.info("%s: imported before, nothing to do", path.name)
        return Outcome(path.name, Verdict.REPEATED)
    return Outcome(path.name, Verdict.IMPORTED, len(offers), refused)


def _read(file_name: str, content: bytes) -> tuple[list[Offer], int]:
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFeed(
            f"not UTF-8 text: byte {error.start} is {content[error.start]:#04x}"
        ) from None
    offers: dict[str, Offer] = {}
    refused = 0
    for line, row in _rows(file_name, decoded):
        try:
            offer = Offer.model_validate(row)
        except ValidationError as error:
            refused += 1
            log.warning("%s line %d left out: %s", file_name, line, _explain(error))
        else:
            offers[offer.sku] = offer
    if not offers:
        raise BadFeed(f"no usable row ({refused} malformed); expected {_columns()}")
    return list(offers.values()), refused


def _rows(file_name: str, decoded: str) -> Iterator[tuple[int, object]]:
    match Path(file_name).suffix.lower():
        case ".csv":
            return _csv_rows(decoded)
        case ".jsonl":
            return _json_rows(decoded)
        case suffix:
            raise BadFeed(f"unknown kind of file {suffix!r}; send .csv or .jsonl")


def _csv_rows(decoded: str) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(io.StringIO(decoded, newline=""), skipinitialspace=True)
    try:
        missing = Offer.model_fields.keys() - set(reader.fieldnames or ())
        if missing:
            raise BadFeed(f"header lacks {', '.join(sorted(missing))}; expected {_columns()}")
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadFeed(f"broken CSV at line {reader.line_num}: {error}") from None


def _json_rows(decoded: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(decoded.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except ValueError:
            yield number, line  # no object: the row is refused like any other malformed one


def _store(session: Session, offers: list[Offer], now: datetime) -> None:
    statement = insert(Product)
    upsert = statement.on_conflict_do_update(
        index_elements=[Product.sku],
        set_={
            name: statement.excluded[name]
            for name in ("name", "category", "price_cents", "stock", "last_feed_at")
        },
    )
    rows = [
        {
            "sku": offer.sku,
            "name": offer.name,
            "category": offer.category.lower(),
            "price_cents": int(offer.price * 100),
            "stock": offer.stock,
            "last_feed_at": now,
        }
        for offer in offers
    ]
    session.execute(upsert, rows)


def _remember(
    session: Session, digest: str, file_name: str, imported: int, refused: int, now: datetime
) -> bool:
    """Write the import down; False when this content has been imported before."""
    if session.get(FeedImport, digest) is not None:
        return False
    session.add(
        FeedImport(
            digest=digest,
            file_name=file_name,
            imported=imported,
            refused=refused,
            imported_at=now,
        )
    )
    return True


def _reject(folders: Folders, path: Path, digest: str, reason: str) -> Outcome:
    log.error("%s rejected: %s", path.name, reason)
    target = folders.rejected / _moved_name(path, digest)
    target.with_name(target.name + ".reason.txt").write_text(f"{path.name}: {reason}\n", "utf-8")
    _move(path, folders.rejected, digest)
    return Outcome(path.name, Verdict.REJECTED)


def _move(path: Path, folder: Path, digest: str) -> None:
    # Another daemon's import may have moved it first; both mean the same content.
    with suppress(FileNotFoundError):
        path.replace(folder / _moved_name(path, digest)).touch()  # old files go by this time


def _moved_name(path: Path, digest: str) -> str:
    """Of its content too, so that a supplier may send ``prices.csv`` every day."""
    return f"{path.stem}.{digest[:8]}{path.suffix}"


def _explain(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, wrong['loc'])) or 'row'}: {wrong['msg']}"
        f" (found {reprlib.repr(wrong['input'])})"
        for wrong in error.errors(include_url=False)
    )


def _columns() -> str:
    return ", ".join(Offer.model_fields)
