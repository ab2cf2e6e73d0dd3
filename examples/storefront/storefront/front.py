"""The shop's own web pages, without a framework: both web apps show the same."""

from jinja2 import Environment, PackageLoader
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from storefront.db import Product
from storefront.search import find_profiles
from storefront.staff import Person

ADMIN = "/ops/jobs"
"""Where both apps mount the admin pages."""

_templates = Environment(
    loader=PackageLoader("storefront"), autoescape=True, lstrip_blocks=True, trim_blocks=True
)


def find_products(session: Session, words: str, limit: int = 12) -> list[Product]:
    """The products with each of the words in name or category, the cheapest first."""
    statement = select(Product).order_by(Product.price_cents, Product.sku).limit(limit)
    for word in words.split():
        columns = (Product.name, Product.category)
        statement = statement.where(or_(*(one.icontains(word, autoescape=True) for one in columns)))
    return list(session.scalars(statement))


def front_page(session: Session, words: str, person: Person | None) -> str:
    """What everybody sees; only the staff finds customers there."""
    return _templates.get_template("front.html").render(
        admin=ADMIN,
        person=person,
        words=words,
        products=find_products(session, words),
        profiles=find_profiles(session, words) if person else [],
    )


def sign_in_page(wanted: str, *, refused: bool = False) -> str:
    """The form to sign in, which then leads to `wanted`."""
    return _templates.get_template("sign_in.html").render(
        person=None, wanted=own_path(wanted), refused=refused
    )


def own_path(wanted: str) -> str:
    """A path that a link or form asks to be led to, or `/`: never another host's."""
    harmless = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    return wanted if harmless and wanted.startswith("/") and wanted[1:2] != "/" else "/"
