import sys
from pathlib import Path

# `python -m tests.faults` and pytest find the same modules, under the same names.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
