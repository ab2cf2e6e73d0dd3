"""Full-text search over the users' profiles, with SQLite's FTS5."""

from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from storefront.db import User, UserTrait


@dataclass(frozen=True)
class Profile:
    user_id: int
    name: str
    city: str
    interests: str


def rebuild_index(session: Session) -> int:
    """Replace the index by the present traits, in the caller's transaction: searches see the
    old index until it commits. Returns the number of profiles."""
    rows = session.execute(
        select(User.id, User.name, User.city, UserTrait.favourite_categories, UserTrait.recency)
        .join(UserTrait, UserTrait.user_id == User.id)
        .order_by(User.id)
    )
    profiles = [
        {
            "user_id": user_id,
            "name": name,
            "city": city,
            "interests": " ".join([*categories, recency]),
        }
        for user_id, name, city, categories, recency in rows
    ]
    session.execute(text("DELETE FROM profile_search"))
    if profiles:
        session.execute(
            text(
                "INSERT INTO profile_search (user_id, name, city, interests)"
                " VALUES (:user_id, :name, :city, :interests)"
            ),
            profiles,
        )
    return len(profiles)


def find_profiles(session: Session, words: str, limit: int = 10) -> list[Profile]:
    """The profiles that contain all the words (each may be the beginning of one), best first."""
    if not words.split():
        return []
    rows = session.execute(
        text(
            "SELECT user_id, name, city, interests FROM profile_search"
            " WHERE profile_search MATCH :query ORDER BY rank, user_id LIMIT :limit"
        ),
        {"query": _query(words), "limit": limit},
    )
    return [Profile(*row) for row in rows]


def _query(words: str) -> str:
    """Quoted, so that a visitor's ``AND`` or ``"`` is a word, not FTS5 syntax."""
    return " ".join('"' + word.replace('"', '""') + '"*' for word in words.split())
