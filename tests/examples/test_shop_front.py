"""The shop's own web pages, and who may sign in: what both web apps share."""

from datetime import datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from storefront.db import Product, User, UserTrait
from storefront.front import find_products, front_page, own_path, sign_in_page
from storefront.search import rebuild_index
from storefront.staff import STAFF, who_is

from jobsched.admin.access import Permission


@pytest.fixture
def stocked(engine: Engine, now: datetime) -> Engine:
    with Session(engine) as session, session.begin():
        for number, (name, category) in enumerate(
            [("Earl Grey", "tea"), ("Teapot", "tea"), ("100% <Arabica>", "coffee")]
        ):
            session.add(
                Product(
                    sku=f"S-{number}",
                    name=name,
                    category=category,
                    price_cents=900 - number,
                    stock=3,
                    last_feed_at=now,
                )
            )
    return engine


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", ["100% <Arabica>", "Teapot", "Earl Grey"]),
        ("tea", ["Teapot", "Earl Grey"]),
        ("TEA grey", ["Earl Grey"]),
        ("0% <", ["100% <Arabica>"]),
        ("%", ["100% <Arabica>"]),
        ("_", []),
    ],
)
def test_products_are_found_by_their_words(stocked: Engine, words: str, names: list[str]) -> None:
    """Each word must be in name or category; the cheapest comes first; no word is a pattern."""
    with Session(stocked) as session:
        assert [product.name for product in find_products(session, words)] == names


def test_what_visitors_type_and_suppliers_send_is_text(stocked: Engine) -> None:
    """Neither a search nor a product's name becomes markup."""
    with Session(stocked) as session:
        page = front_page(session, "<b>%", None) + front_page(session, "arabica", None)
    assert "<b>" not in page
    assert "100% &lt;Arabica&gt;" in page


def test_customers_are_shown_to_the_staff_only(stocked: Engine, now: datetime) -> None:
    """Who has not signed in finds products, and nobody's profile."""
    with Session(stocked) as session:
        session.add(User(id=7, name="Ada Berg", city="Oslo"))
        session.flush()
        session.add(
            UserTrait(
                user_id=7,
                favourite_categories=["tea"],
                price_low_cents=100,
                price_high_cents=900,
                recency="active",
                last_seen_at=now,
            )
        )
        session.flush()
        rebuild_index(session)
        assert "Ada Berg" not in front_page(session, "tea", None)
        assert "Ada Berg" in front_page(session, "tea", STAFF["grete"])


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/ops/jobs/firings?status=FAILED", "/ops/jobs/firings?status=FAILED"),
        ("/", "/"),
        ("", "/"),
        ("ops", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nSet-Cookie: b", "/"),
    ],
)
def test_signing_in_leads_to_a_page_of_the_shop(wanted: str, led_to: str) -> None:
    """A link to the form cannot lead those who sign in to another host."""
    assert own_path(wanted) == led_to
    assert f'name="next" value="{led_to}"' in sign_in_page(wanted)


def test_who_is_who() -> None:
    """The right password names its person; a wrong one, an unknown name and none name nobody.
    Only the operator may change something."""
    ada, grete = who_is("ada", "espresso"), who_is("grete", "teapot")
    assert (ada, grete) == (STAFF["ada"], STAFF["grete"])
    assert [who_is("ada", "teapot"), who_is("nobody", ""), who_is("", "")] == [None] * 3
    assert ada is not None
    assert grete is not None
    assert all(ada.as_actor().may(permission) for permission in Permission)
    assert not any(grete.as_actor().may(p) for p in ("toggle", "run", "cancel", "edit"))
