"""Makes `snippets` importable: it is also a program, for people who write a page."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
