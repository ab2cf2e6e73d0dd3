"""The storefront's domain work, without the daemon, on a real SQLite file."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session
from storefront import cleanup, feeds, matching, search, seed, traits
from storefront.db import Event, FeedImport, Product, User, UserMatch, UserTrait, database_url
from storefront.feeds import Folders, Outcome, Verdict

HEADER = "sku,name,category,price,stock\n"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = Folders.under(tmp_path)
    folders.create()
    return folders


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session, session.begin():
        yield session


@pytest.fixture
def demo_shop(session: Session, folders: Folders, now: datetime) -> Session:
    assert seed.open_demo_shop(session, folders, now)
    return session


def drop(folders: Folders, name: str, content: str | bytes) -> Path:
    path = folders.inbox / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def products(engine: Engine) -> dict[str, tuple[str, str, int, int]]:
    with Session(engine) as session:
        return {
            product.sku: (product.name, product.category, product.price_cents, product.stock)
            for product in session.scalars(select(Product))
        }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# feeds


def test_good_csv_feed_becomes_products(engine: Engine, folders: Folders, now: datetime) -> None:
    """Each row of a good feed is a product, and the file leaves the inbox for done/."""
    path = drop(folders, "tea.csv", HEADER + "T1,Green Tea,Tea,7.90,12\nT2,Rooibos,Tea,5,0\n")
    assert feeds.import_feed(engine, folders, path, now) == Outcome("tea.csv", Verdict.IMPORTED, 2)
    assert products(engine) == {
        "T1": ("Green Tea", "tea", 790, 12),
        "T2": ("Rooibos", "tea", 500, 0),
    }
    assert names(folders.inbox) == []
    assert len(names(folders.done)) == 1


def test_a_later_feed_changes_the_product(engine: Engine, folders: Folders, now: datetime) -> None:
    """A SKU that is already known is updated, not doubled."""
    feeds.import_feed(engine, folders, drop(folders, "a.csv", HEADER + "T1,Tea,tea,7,1\n"), now)
    newer = '{"sku": "T1", "name": "Tea", "category": "tea", "price": 8.5, "stock": 4}\n'
    feeds.import_feed(engine, folders, drop(folders, "b.jsonl", newer), now)
    assert products(engine) == {"T1": ("Tea", "tea", 850, 4)}


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("f.csv", HEADER + "T1,Tea,tea,7,1\nT2,Tea,tea,free,1\n", ["line 3", "price", "free"]),
        ("f.csv", HEADER + "T1,Tea,tea,7,1\nT2,Tea\n", ["line 3", "category", "None"]),
        ("f.csv", HEADER + "T1,Tea,tea,7,1\nT2,Tea,tea,7,-1\n", ["line 3", "stock"]),
        (
            "f.jsonl",
            '{"sku":"T1","name":"Tea","category":"tea","price":7,"stock":1}\n{"sku": \n',
            ["line 2", "row"],
        ),
    ],
)
def test_malformed_row_is_reported_and_left_out(
    engine: Engine,
    folders: Folders,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: str,
    named: list[str],
) -> None:
    """One wrong row costs that row only; the log says where it is and what is wrong."""
    outcome = feeds.import_feed(engine, folders, drop(folders, name, content), now)
    assert outcome == Outcome(name, Verdict.IMPORTED, imported=1, refused=1)
    assert products(engine) == {"T1": ("Tea", "tea", 700, 1)}
    assert all(word in caplog.text for word in [name, *named])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("f.csv", "article;how much\nteapot;12\n", "header lacks category"),
        ("f.csv", "", "header lacks"),
        ("f.csv", HEADER + "T1,Tea,tea,free,1\n", "no usable row (1 malformed)"),
        ("f.csv", HEADER.encode() + b"T1,Th\xe9,tea,7,1\n", "not UTF-8"),
        ("f.jsonl", "[1, 2]\n", "no usable row (1 malformed)"),
        ("f.xlsx", b"PK\x03\x04", "unknown kind of file '.xlsx'"),
    ],
)
def test_bad_feed_is_rejected_with_its_reason(
    engine: Engine,
    folders: Folders,
    now: datetime,
    name: str,
    content: str | bytes,
    reason: str,
) -> None:
    """A file that is no feed changes no row, and lies in rejected/ with the reason beside it."""
    outcome = feeds.import_feed(engine, folders, drop(folders, name, content), now)
    assert outcome == Outcome(name, Verdict.REJECTED)
    assert products(engine) == {}
    assert names(folders.inbox) == names(folders.done) == []
    moved, told = names(folders.rejected)
    assert told == f"{moved}.reason.txt"
    assert reason in (folders.rejected / told).read_text("utf-8")


def test_the_same_feed_is_imported_once(engine: Engine, folders: Folders, now: datetime) -> None:
    """An old price list dropped again does not undo a newer one."""
    old = HEADER + "T1,Tea,tea,7,1\n"
    feeds.import_feed(engine, folders, drop(folders, "a.csv", old), now)
    feeds.import_feed(engine, folders, drop(folders, "b.csv", HEADER + "T1,Tea,tea,9,1\n"), now)
    again = feeds.import_feed(engine, folders, drop(folders, "a-copy.csv", old), now)
    assert again == Outcome("a-copy.csv", Verdict.REPEATED)
    assert products(engine)["T1"][2] == 900
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(FeedImport)) == 2


def test_a_failed_import_leaves_nothing_behind(
    engine: Engine, folders: Folders, now: datetime
) -> None:
    """If the database refuses a row, no row of the file is stored, the file stays in the inbox,
    and the next run imports it whole."""
    path = drop(folders, "a.csv", HEADER + "T1,Tea,tea,7,1\nT2,Tea,tea,8,1\n")
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON product WHEN new.sku = 'T2'"
                " BEGIN SELECT raise(ABORT, 'disk full'); END"
            )
        )
    with pytest.raises(Exception, match="disk full"):
        feeds.import_feed(engine, folders, path, now)
    assert products(engine) == {}
    assert feeds.waiting_feeds(folders) == [path]
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER full"))
    outcome = feeds.import_feed(engine, folders, path, now)
    assert outcome == Outcome("a.csv", Verdict.IMPORTED, imported=2)


def test_a_feed_that_is_being_written_is_left_alone(folders: Folders) -> None:
    """Only complete files are imported: .part and hidden ones wait."""
    for name in ("b.csv", "a.jsonl", "c.csv.part", ".d.csv.swp"):
        drop(folders, name, "")
    assert [path.name for path in feeds.waiting_feeds(folders)] == ["a.jsonl", "b.csv"]


def test_a_feed_taken_by_another_import_is_no_error(
    engine: Engine, folders: Folders, now: datetime
) -> None:
    """Two schedules may import at the same time; the second one finds the file gone."""
    assert feeds.import_feed(engine, folders, folders.inbox / "gone.csv", now) is None


# traits, search, matches


def test_traits_say_what_a_user_likes_and_pays(session: Session, now: datetime) -> None:
    """Orders weigh more than views; the price band is that of the orders; recency by last visit."""
    session.add_all(
        Product(sku=sku, name=sku, category=category, price_cents=cents, stock=1, last_feed_at=now)
        for sku, category, cents in [("T", "tea", 800), ("B", "books", 2_000), ("C", "coffee", 400)]
    )
    session.add(User(id=1, name="Ada", city="Oslo"))
    session.flush()
    seen = [("B", "view"), ("B", "view"), ("T", "order"), ("C", "view")]
    session.add_all(
        Event(
            id=str(day), user_id=1, sku=sku, kind=kind, happened_at=now - timedelta(days=20 + day)
        )
        for day, (sku, kind) in enumerate(seen)
    )
    assert traits.rebuild_traits(session, now) == 1
    trait = session.scalars(select(UserTrait)).one()
    assert trait.favourite_categories == ["tea", "books", "coffee"]
    assert (trait.price_low_cents, trait.price_high_cents) == (800, 800)
    assert trait.recency == "cooling"
    assert trait.last_seen_at == now - timedelta(days=20)


@pytest.mark.parametrize(("days", "expected"), [(14, "active"), (15, "cooling"), (61, "gone")])
def test_recency(now: datetime, days: int, expected: str) -> None:
    """Fourteen days without a visit are still active, sixty still cooling."""
    assert traits.recency(now - timedelta(days=days), now) == expected


def test_search_finds_a_profile(demo_shop: Session, now: datetime) -> None:
    """Words, or their beginnings, in name, city or interests find a profile, accents or not."""
    traits.rebuild_traits(demo_shop, now)
    indexed = search.rebuild_index(demo_shop)
    assert indexed == demo_shop.scalar(select(func.count()).select_from(UserTrait))
    found = search.find_profiles(demo_shop, "chloe costa")
    assert [profile.name for profile in found] == ["Chloé Costa"]
    favourite = found[0].interests.split()[0]
    assert found[0] in search.find_profiles(demo_shop, f"chlo {favourite}", limit=60)


@pytest.mark.parametrize("words", ['"', "AND", "name:", "*", "", "no-such-word"])
def test_search_takes_whatever_is_typed(demo_shop: Session, now: datetime, words: str) -> None:
    """What a visitor types is words, never query syntax that fails."""
    traits.rebuild_traits(demo_shop, now)
    search.rebuild_index(demo_shop)
    assert search.find_profiles(demo_shop, words) == []


def test_matches_are_new_to_the_user_and_in_stock(demo_shop: Session, now: datetime) -> None:
    """Nobody is shown what they own, what is sold out, or what they do not care for."""
    traits.rebuild_traits(demo_shop, now)
    assert matching.rebuild_matches(demo_shop) > 100
    owned = set(demo_shop.execute(select(Event.user_id, Event.sku).where(Event.kind == "order")))
    shown = demo_shop.execute(
        select(UserMatch.user_id, Product.sku, Product, UserTrait, UserMatch.score)
        .join(Product, Product.sku == UserMatch.sku)
        .join(UserTrait, UserTrait.user_id == UserMatch.user_id)
    )
    for user_id, sku, product, trait, score in shown:
        assert (user_id, sku) not in owned
        assert product.stock > 0
        assert product.category in trait.favourite_categories
        assert 0 < score <= 1


def test_match_score_prefers_the_favourite_within_the_price_band(now: datetime) -> None:
    """The first favourite at the usual price scores 1; other categories and prices less."""
    trait = UserTrait(
        favourite_categories=["tea", "books"],
        price_low_cents=500,
        price_high_cents=1_000,
        recency="active",
    )

    def score(category: str, cents: int) -> float:
        return matching.score(trait, Product(category=category, price_cents=cents))

    assert score("tea", 700) == 1
    assert score("tea", 2_000) == score("tea", 250) == score("books", 700) == 0.5


# seed, clean-up, and running again


def test_the_demo_shop_opens_once(demo_shop: Session, folders: Folders, now: datetime) -> None:
    """A shop that has users is never filled again."""
    before = demo_shop.scalar(select(func.count()).select_from(Event))
    assert not seed.open_demo_shop(demo_shop, folders, now)
    assert demo_shop.scalar(select(func.count()).select_from(Event)) == before == seed.PAST_EVENTS


def test_visits_of_one_key_happen_once(demo_shop: Session, now: datetime) -> None:
    """A job that runs again with the same key adds no visit; another key does."""
    assert seed.simulate_visits(demo_shop, "firing-1", 40, now) == 40
    assert seed.simulate_visits(demo_shop, "firing-1", 40, now) == 0
    assert seed.simulate_visits(demo_shop, "firing-2", 40, now) == 40


def test_a_supplier_sends_one_feed_per_key(engine: Engine, folders: Folders, now: datetime) -> None:
    """The same key is the same file, of which the second copy is recognised."""
    verdicts = []
    for _ in range(2):
        path = folders.inbox / seed.drop_supplier_feed(folders, "firing-1")
        outcome = feeds.import_feed(engine, folders, path, now)
        verdicts.append(outcome and outcome.verdict)
    assert verdicts == [Verdict.IMPORTED, Verdict.REPEATED]
    assert names(folders.inbox) == []


def test_first_feeds_show_every_outcome(
    engine: Engine, folders: Folders, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """A newcomer sees a clean import, one with a malformed row, and a rejected file."""
    with Session(engine) as session, session.begin():
        seed.open_demo_shop(session, folders, now)
    outcomes = [
        feeds.import_feed(engine, folders, path, now) for path in feeds.waiting_feeds(folders)
    ]
    assert outcomes == [
        Outcome("01-roastery.csv", Verdict.IMPORTED, imported=10),
        Outcome("02-gardeners.jsonl", Verdict.IMPORTED, imported=9, refused=1),
        Outcome("03-broken.csv", Verdict.REJECTED),
    ]
    assert "on request" in caplog.text


def test_clean_up_keeps_what_is_needed(demo_shop: Session, now: datetime) -> None:
    """Old views go, orders never; unlisted products go unless somebody's history names them."""
    orders = select(func.count()).select_from(Event).where(Event.kind == "order")
    before = demo_shop.scalar(orders)
    for sku in ("OLD", "NEW"):
        demo_shop.add(
            Product(sku=sku, name=sku, category="tea", price_cents=1, stock=1, last_feed_at=now)
        )
    demo_shop.add(UserMatch(user_id=1, sku="OLD", score=1))
    demo_shop.flush()
    long_ago = now - cleanup.KEEP_UNLISTED_PRODUCTS - timedelta(seconds=1)
    demo_shop.execute(update(Product).where(Product.sku != "NEW").values(last_feed_at=long_ago))
    deleted = cleanup.delete_old_rows(demo_shop, now)
    assert deleted["views"] > 0
    assert deleted["products"] >= 1
    assert demo_shop.scalar(orders) == before
    left = set(demo_shop.scalars(select(Product.sku)))
    assert "NEW" in left
    assert "OLD" not in left
    assert set(demo_shop.scalars(select(Event.sku))) <= left
    assert demo_shop.scalars(select(UserMatch)).all() == []
    assert set(cleanup.delete_old_rows(demo_shop, now).values()) == {0}


def test_clean_up_deletes_old_feed_files(folders: Folders, now: datetime) -> None:
    """Files that were dealt with long ago go; recent ones and the inbox stay."""
    for folder in (folders.done, folders.rejected, folders.inbox):
        for name, age in (("old.csv", timedelta(days=31)), ("new.csv", timedelta(days=29))):
            path = folder / name
            path.touch()
            os.utime(path, ((now - age).timestamp(),) * 2)
    assert cleanup.delete_old_files(folders, now) == 2
    assert names(folders.done) == names(folders.rejected) == ["new.csv"]
    assert names(folders.inbox) == ["new.csv", "old.csv"]


def test_the_whole_day_may_run_again(demo_shop: Session, now: datetime) -> None:
    """Traits, index, matches and clean-up on unchanged events give the same again."""

    def run() -> list[object]:
        traits.rebuild_traits(demo_shop, now)
        search.rebuild_index(demo_shop)
        matching.rebuild_matches(demo_shop)
        tables = ("user_trait", "profile_search", "user_match")
        return [demo_shop.execute(text(f"SELECT * FROM {table}")).all() for table in tables]

    cleanup.delete_old_rows(demo_shop, now)
    assert run() == run()


# where the database is


def test_a_relative_database_is_in_the_examples_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Daemon and commands find the same file, wherever they are run from."""
    from storefront.db import HOME

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STOREFRONT_DATABASE_URL", raising=False)
    assert database_url() == f"sqlite:///{HOME / 'storefront.db'}"
    monkeypatch.setenv("STOREFRONT_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert database_url() == f"sqlite:///{tmp_path / 'other.db'}"


@pytest.mark.parametrize("url", ["postgresql://db/shop", "sqlite://", "sqlite:///:memory:"])
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The example says at once that it needs an SQLite file, and what to write."""
    monkeypatch.setenv("STOREFRONT_DATABASE_URL", url)
    with pytest.raises(ValueError, match="needs an SQLite file"):
        database_url()
