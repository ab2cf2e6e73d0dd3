"""Serve the app on this machine, for a look: ``python -m shop [--with-daemon] [--port N]``."""

import argparse
import logging
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

STOREFRONT = Path(__file__).resolve().parents[2] / "storefront"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--port", type=int, default=8140, help="0 takes a free one")
    parser.add_argument("--with-daemon", action="store_true", help="run the jobs here too")
    arguments = parser.parse_args()

    sys.path.insert(0, str(STOREFRONT))  # the example beside this one is not installed
    from storefront.jobs import scheduler

    from shop.web import create_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: running jobs may end
    with scheduler if arguments.with_daemon else nullcontext():
        create_app().run(port=arguments.port)


if __name__ == "__main__":
    main()
