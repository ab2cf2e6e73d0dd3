"""Serve the app on this machine, for a look: ``python -m shop [--port N]``."""

import argparse
import logging
import sys
from pathlib import Path

import uvicorn

STOREFRONT = Path(__file__).resolve().parents[2] / "storefront"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--port", type=int, default=8141, help="0 takes a free one")
    arguments = parser.parse_args()

    sys.path.insert(0, str(STOREFRONT))  # the example beside this one is not installed
    from shop.web import create_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    uvicorn.run(create_app(), port=arguments.port, log_config=None)


if __name__ == "__main__":
    main()
