"""The app: the shop's front, its own login, and the admin pages behind that login."""

import os
import secrets
from typing import Any

import flask
from flask import Blueprint, Flask, abort, redirect, request, session, url_for
from sqlalchemy.orm import Session
from storefront import front, staff
from storefront.db import create_tables
from storefront.jobs import engine, scheduler

from jobsched.admin.access import Actor
from jobsched.admin.flask import admin_blueprint

shop = Blueprint("shop", __name__)


def create_app() -> Flask:
    create_tables(engine)
    app = Flask(__name__)
    # Without a key of its own each start makes one, and everybody signs in again.
    app.config["SECRET_KEY"] = os.environ.get("SHOP_SECRET_KEY") or secrets.token_hex()
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.register_blueprint(shop)
    app.register_blueprint(
        admin_blueprint(scheduler, access=who_may, title="Storefront jobs"),
        url_prefix=front.ADMIN,
    )
    return app


def who_may(asked: flask.Request) -> Actor | None:
    """Whoever has signed in to the shop; others are led to its form, and programs get a 401."""
    person = signed_in()
    if person is None and not asked.path.startswith(f"{front.ADMIN}/api/"):
        abort(redirect(url_for("shop.sign_in_form", next=asked.full_path.rstrip("?"))))
    return person.as_actor() if person else None


def signed_in() -> staff.Person | None:
    return staff.STAFF.get(session.get("name", ""))


@shop.get("/")
def front_page() -> str:
    with Session(engine) as database:
        return front.front_page(database, request.args.get("q", ""), signed_in())


@shop.get("/sign-in")
def sign_in_form() -> str:
    return front.sign_in_page(request.args.get("next", "/"))


@shop.post("/sign-in")
def sign_in() -> Any:
    wanted = request.form.get("next", "/")
    person = staff.who_is(request.form.get("name", ""), request.form.get("password", ""))
    if person is None:
        return front.sign_in_page(wanted, refused=True), 403
    session.clear()
    session["name"] = person.name
    return redirect(front.own_path(wanted), 303)


@shop.post("/sign-out")
def sign_out() -> Any:
    session.clear()
    return redirect("/", 303)
