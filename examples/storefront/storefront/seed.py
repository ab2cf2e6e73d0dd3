"""A demo shop, the same every time, and the visitors and suppliers that keep it moving."""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from storefront.db import Event, Product, User
from storefront.feeds import Folders

USERS = 60
PAST_EVENTS = 900
PAST = timedelta(days=120)
"""Longer than views are kept, so that the first cleanup has something to do."""

CATALOGUE = {
    "coffee": ("Filter Coffee", "Espresso Beans", "Coffee Grinder", "Moka Pot", "Milk Frother"),
    "tea": ("Green Tea", "Earl Grey", "Teapot", "Tea Strainer", "Rooibos"),
    "kitchen": ("Bread Knife", "Cast Iron Pan", "Mixing Bowl", "Rolling Pin", "Kitchen Scale"),
    "garden": ("Watering Can", "Pruning Shears", "Herb Seeds", "Plant Pot", "Trowel"),
    "books": ("Baking Book", "Garden Almanac", "Crime Novel", "Travel Guide", "Atlas"),
    "outdoor": ("Thermos", "Camping Stove", "Headlamp", "Rain Cover", "Wool Blanket"),
}
FINISHES = ("Classic", "Small", "Large", "Deluxe")
FIRST_NAMES = ("Ada", "Bjørn", "Chloé", "Dmitri", "Eva", "Farid", "Grete", "Håkon", "Inés", "Jun")
LAST_NAMES = ("Berg", "Costa", "Dahl", "Lund", "Moreau", "Solberg")
STOCK = 40
CITIES = ("Oslo", "Bergen", "Tromsø", "Lyon", "Porto")


def open_demo_shop(session: Session, folders: Folders, now: datetime) -> bool:
    """Fill an empty shop and drop its first feeds; False, and nothing, if it has users."""
    if session.scalar(select(User.id).limit(1)) is not None:
        return False
    random = Random("storefront")
    products = _products(now)
    skus = [product["sku"] for product in products]
    session.execute(insert(Product), products)
    ids = list(range(1, USERS + 1))
    session.execute(insert(User), [_user(number) for number in ids])
    events = [
        _event(f"past-{number}", random, ids, skus, now - random.random() * PAST)
        for number in range(PAST_EVENTS)
    ]
    session.execute(insert(Event), events)
    _drop(folders, "01-roastery.csv", _csv_feed(random, "coffee"))
    _drop(folders, "02-gardeners.jsonl", _json_feed(random, "garden"))
    _drop(folders, "03-broken.csv", "article;how much\nteapot;12\n")
    return True


def simulate_visits(session: Session, key: str, visits: int, now: datetime) -> int:
    """Write down that many views and orders of the last minutes; the number of new ones.

    The same key makes the same visits, and writes none twice.
    """
    random = Random(key)
    users = list(session.scalars(select(User.id).order_by(User.id)))
    skus = list(session.scalars(select(Product.sku).order_by(Product.sku)))
    if not (users and skus and visits):
        return 0
    rows = [
        _event(f"{key}/{number}", random, users, skus, now - random.random() * timedelta(minutes=5))
        for number in range(visits)
    ]
    statement = insert(Event).on_conflict_do_nothing().returning(Event.id)
    return len(session.scalars(statement, rows).all())


def drop_supplier_feed(folders: Folders, key: str) -> str:
    """Put a supplier's new feed, with other prices and stocks, into the inbox; its file name.

    The same key makes the same file, which is imported once.
    """
    random = Random(key)
    category = random.choice(list(CATALOGUE))
    name = f"{category}-{sha256(key.encode()).hexdigest()[:8]}"
    if random.random() < 0.5:
        file_name, content = f"{name}.csv", _csv_feed(random, category)
    else:
        file_name, content = f"{name}.jsonl", _json_feed(random, category)
    _drop(folders, file_name, content)
    return file_name


def _articles() -> list[tuple[str, str, str]]:
    """SKU, name and category of everything the shop sells."""
    names = [
        (f"{finish} {name}", category)
        for category, articles in CATALOGUE.items()
        for name in articles
        for finish in FINISHES
    ]
    return [
        (f"{category[:3].upper()}-{number:03}", name, category)
        for number, (name, category) in enumerate(names)
    ]


def _products(now: datetime) -> list[dict[str, Any]]:
    random = Random("products")
    return [
        {
            "sku": sku,
            "name": name,
            "category": category,
            "price_cents": _price_cents(random),
            "stock": random.randrange(STOCK),
            "last_feed_at": now,
        }
        for sku, name, category in _articles()
    ]


def _user(number: int) -> dict[str, Any]:
    first, last = divmod(number - 1, len(LAST_NAMES))
    name = f"{FIRST_NAMES[first % len(FIRST_NAMES)]} {LAST_NAMES[last]}"
    return {"id": number, "name": name, "city": CITIES[number % len(CITIES)]}


def _event(
    key: str, random: Random, users: list[int], skus: list[str], happened_at: datetime
) -> dict[str, Any]:
    user_id = random.choice(users)
    # Everybody has a favourite part of the catalogue, so that their traits differ.
    favourite = user_id * 7 % len(skus)
    sku = skus[(favourite + int(random.gauss(0, 8))) % len(skus)]
    kind = "order" if random.random() < 0.2 else "view"
    return {"id": key, "user_id": user_id, "sku": sku, "kind": kind, "happened_at": happened_at}


def _offers(random: Random, category: str) -> list[dict[str, Any]]:
    """New prices and stocks of half of a category."""
    return [
        {
            "sku": sku,
            "name": name,
            "category": category,
            "price": f"{_price_cents(random) / 100:.2f}",
            "stock": random.randrange(STOCK),
        }
        for sku, name, _ in [article for article in _articles() if article[2] == category][::2]
    ]


def _price_cents(random: Random) -> int:
    return random.randrange(490, 14_990, 50)


def _csv_feed(random: Random, category: str) -> str:
    offers = _offers(random, category)
    lines = [",".join(offers[0])] + [",".join(map(str, offer.values())) for offer in offers]
    return "\n".join(lines) + "\n"


def _json_feed(random: Random, category: str) -> str:
    """With one malformed row, as real feeds have."""
    offers = _offers(random, category)
    offers[random.randrange(len(offers))]["price"] = "on request"
    return "".join(json.dumps(offer) + "\n" for offer in offers)


def _drop(folders: Folders, name: str, content: str) -> None:
    folders.create()
    part = folders.inbox / f"{name}.part"
    part.write_text(content, "utf-8")
    part.replace(folders.inbox / name)
