"""Matches: which products to show to whom."""

from collections import defaultdict
from heapq import nlargest

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from storefront.db import Event, Product, UserMatch, UserTrait

MATCHES_PER_USER = 5
KEENNESS = {"active": 1.0, "cooling": 0.7, "gone": 0.4}


def rebuild_matches(session: Session) -> int:
    """Replace all matches by those of the present traits and stock; the number of them."""
    in_stock: defaultdict[str, list[Product]] = defaultdict(list)
    for product in session.scalars(select(Product).where(Product.stock > 0)):
        in_stock[product.category].append(product)
    owned: defaultdict[int, set[str]] = defaultdict(set)
    for user_id, sku in session.execute(
        select(Event.user_id, Event.sku).where(Event.kind == "order")
    ):
        owned[user_id].add(sku)
    rows = [
        {"user_id": trait.user_id, "sku": sku, "score": match_score}
        for trait in session.scalars(select(UserTrait))
        for match_score, sku in best_matches(trait, in_stock, owned[trait.user_id])
    ]
    session.execute(delete(UserMatch))
    if rows:
        session.execute(insert(UserMatch), rows)
    return len(rows)


def best_matches(
    trait: UserTrait, in_stock: dict[str, list[Product]], owned: set[str]
) -> list[tuple[float, str]]:
    """The best products of a user's favourite categories that they do not own yet."""
    scores = [
        (score(trait, product), product.sku)
        for category in trait.favourite_categories
        for product in in_stock.get(category, ())
        if product.sku not in owned
    ]
    return nlargest(MATCHES_PER_USER, scores)


def score(trait: UserTrait, product: Product) -> float:
    """From 0 to 1: the first favourite within the usual prices of an active user is 1."""
    rank = trait.favourite_categories.index(product.category)
    return round(KEENNESS[trait.recency] * _price_fit(trait, product.price_cents) / (1 + rank), 4)


def _price_fit(trait: UserTrait, price_cents: int) -> float:
    """1 inside the price band, less the further outside it the price is."""
    if price_cents < trait.price_low_cents:
        return price_cents / trait.price_low_cents
    if price_cents > trait.price_high_cents:
        return trait.price_high_cents / price_cents
    return 1.0


def matches_of(session: Session, user_id: int) -> list[tuple[float, str]]:
    """Score and product name of a user's matches, best first."""
    rows = session.execute(
        select(UserMatch.score, Product.name)
        .join(Product, Product.sku == UserMatch.sku)
        .where(UserMatch.user_id == user_id)
        .order_by(UserMatch.score.desc(), Product.name)
    )
    return [(match_score, name) for match_score, name in rows]
