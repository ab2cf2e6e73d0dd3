"""The people who work here, and what each may do on the admin pages."""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from jobsched.admin.access import EVERYTHING, READ_ONLY, Actor


class Role(StrEnum):
    OPERATOR = "operator"
    PRODUCT = "product"


PERMISSIONS = {Role.OPERATOR: EVERYTHING, Role.PRODUCT: READ_ONLY}


@dataclass(frozen=True)
class Person:
    name: str
    role: Role
    salt: bytes
    password_hash: bytes

    def as_actor(self) -> Actor:
        """Who they are to jobsched: the name is in the audit log of what they change."""
        return Actor(self.name, PERMISSIONS[self.role])


def _person(name: str, role: Role, salt: str, password_hash: str) -> Person:
    return Person(name, role, bytes.fromhex(salt), bytes.fromhex(password_hash))


# Made up, as the shop is, with passwords that its README tells; a real one keeps them in its
# database.
STAFF = {
    person.name: person
    for person in (
        _person(
            "ada",
            Role.OPERATOR,
            "fdee430d40bd57de",
            "e9126de1d8b0114e5dfbf7445ef99e4c0a1833e60a66badfa25f770006a5e293",
        ),
        _person(
            "grete",
            Role.PRODUCT,
            "429443334a6f38bd",
            "f5951e4a00c34f15e5b0d5094829d1e5adce9a7182acf6ddb10b274373c83efb",
        ),
    )
}
_NOBODY = Person("", Role.PRODUCT, b"\0" * 8, b"\0" * 32)


def who_is(name: str, password: str) -> Person | None:
    """The person of this name, if that is their password."""
    person = STAFF.get(name, _NOBODY)  # an unknown name takes as long as a wrong password
    given = hashlib.scrypt(password.encode(), salt=person.salt, n=2**14, r=8, p=1, dklen=32)
    return person if hmac.compare_digest(given, person.password_hash) else None
