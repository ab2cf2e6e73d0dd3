"""User traits: what somebody likes, pays, and when they were last here."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from storefront.db import Event, Product, UserTrait

FAVOURITES = 3
INTEREST = {"view": 1, "order": 5}
"""How much an event says of its category: an order as much as five looks."""
ACTIVE_WITHIN = timedelta(days=14)
COOLING_WITHIN = timedelta(days=60)


@dataclass(frozen=True)
class Behaviour:
    """One event, with what it was about."""

    kind: str
    category: str
    price_cents: int
    happened_at: datetime


def rebuild_traits(session: Session, now: datetime) -> int:
    """Replace all traits by what the events say; the number of users who have some."""
    behaviours: dict[int, list[Behaviour]] = {}
    rows = session.execute(
        select(Event.user_id, Event.kind, Product.category, Product.price_cents, Event.happened_at)
        .join(Product, Product.sku == Event.sku)
        .order_by(Event.user_id, Event.happened_at)
    )
    for user_id, kind, category, price_cents, happened_at in rows:
        behaviour = Behaviour(kind, category, price_cents, happened_at)
        behaviours.setdefault(user_id, []).append(behaviour)
    session.execute(delete(UserTrait))
    if behaviours:
        session.execute(
            insert(UserTrait),
            [_trait(user_id, seen, now) for user_id, seen in behaviours.items()],
        )
    return len(behaviours)


def favourite_categories(seen: Sequence[Behaviour]) -> list[str]:
    """The categories somebody cares most about, best first; ties by name."""
    interest: Counter[str] = Counter()
    for behaviour in seen:
        interest[behaviour.category] += INTEREST[behaviour.kind]
    ranked = sorted(interest, key=lambda category: (-interest[category], category))
    return ranked[:FAVOURITES]


def price_band(seen: Sequence[Behaviour]) -> tuple[int, int]:
    """The middle half of the prices, in cents: of what was ordered, else of what was viewed."""
    ordered = [behaviour.price_cents for behaviour in seen if behaviour.kind == "order"]
    prices = ordered or [behaviour.price_cents for behaviour in seen]
    if len(prices) == 1:
        return prices[0], prices[0]
    low, _, high = quantiles(prices, n=4, method="inclusive")
    return round(low), round(high)


def recency(last_seen_at: datetime, now: datetime) -> str:
    """``active``, ``cooling`` or ``gone``."""
    age = now - last_seen_at
    if age <= ACTIVE_WITHIN:
        return "active"
    return "cooling" if age <= COOLING_WITHIN else "gone"


def _trait(user_id: int, seen: Sequence[Behaviour], now: datetime) -> dict[str, object]:
    low, high = price_band(seen)
    last_seen_at = max(behaviour.happened_at for behaviour in seen)
    return {
        "user_id": user_id,
        "favourite_categories": favourite_categories(seen),
        "price_low_cents": low,
        "price_high_cents": high,
        "recency": recency(last_seen_at, now),
        "last_seen_at": last_seen_at,
    }
