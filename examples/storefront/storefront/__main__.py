"""Look into the shop: ``python -m storefront seed | find WORDS | matches USER_ID``."""

import argparse

from sqlalchemy.orm import Session

from storefront import matching, search, seed
from storefront.db import HOME, create_tables, database_time, database_url, open_engine
from storefront.feeds import Folders


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m storefront", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("seed", help="fill an empty shop and drop its first feeds")
    find = commands.add_parser("find", help="search the profiles")
    find.add_argument("words", nargs="+")
    matches = commands.add_parser("matches", help="what to show to a user")
    matches.add_argument("user_id", type=int)
    arguments = parser.parse_args()

    engine = open_engine(database_url())
    create_tables(engine)
    with Session(engine) as session, session.begin():
        match arguments.command:
            case "seed":
                opened = seed.open_demo_shop(session, Folders.under(HOME), database_time(session))
                print("opened the demo shop" if opened else "the shop has users: left as it is")
            case "find":
                for profile in search.find_profiles(session, " ".join(arguments.words)):
                    print(
                        f"{profile.user_id:4}  {profile.name}, {profile.city}: {profile.interests}"
                    )
            case "matches":
                for score, name in matching.matches_of(session, arguments.user_id):
                    print(f"{score:6.2f}  {name}")


if __name__ == "__main__":
    main()
