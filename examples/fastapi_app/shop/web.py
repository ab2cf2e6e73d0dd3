"""The app: the shop's front, its own login, and the admin pages behind that login."""

import os
import secrets
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.middleware.sessions import SessionMiddleware
from storefront import front, staff
from storefront.db import create_tables
from storefront.jobs import engine, scheduler

from jobsched.admin.access import Actor
from jobsched.admin.fastapi import admin_router

shop = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def create_app() -> FastAPI:
    create_tables(engine)
    app = FastAPI(title="Storefront", lifespan=scheduler.lifespan)  # the daemon lives in the app
    # Without a key of its own each start makes one, and everybody signs in again.
    key = os.environ.get("SHOP_SECRET_KEY") or secrets.token_hex()
    app.add_middleware(SessionMiddleware, secret_key=key)
    app.include_router(shop)
    app.include_router(
        admin_router(scheduler, access=who_may, title="Storefront jobs"), prefix=front.ADMIN
    )
    return app


async def who_may(asked: Request) -> Actor | None:
    """Whoever has signed in to the shop; others are led to its form, and programs get a 401."""
    person = signed_in(asked)
    if person is None and not asked.url.path.startswith(f"{front.ADMIN}/api/"):
        here = asked.url.replace(scheme="", netloc="")
        raise HTTPException(303, headers={"Location": f"/sign-in?{urlencode({'next': here})}"})
    return person.as_actor() if person else None


def signed_in(request: Request) -> staff.Person | None:
    return staff.STAFF.get(request.session.get("name", ""))


@shop.get("/")
def front_page(request: Request, q: str = "") -> str:
    with Session(engine) as database:
        return front.front_page(database, q, signed_in(request))


@shop.get("/sign-in")
def sign_in_form(request: Request) -> str:
    return front.sign_in_page(request.query_params.get("next", "/"))


async def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


@shop.post("/sign-in")
def sign_in(request: Request, sent: Annotated[dict[str, str], Depends(form)]) -> Response:
    wanted = sent.get("next", "/")
    person = staff.who_is(sent.get("name", ""), sent.get("password", ""))
    if person is None:
        return HTMLResponse(front.sign_in_page(wanted, refused=True), 403)
    request.session.clear()
    request.session["name"] = person.name
    return RedirectResponse(front.own_path(wanted), 303)


@shop.post("/sign-out")
def sign_out(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse("/", 303)
