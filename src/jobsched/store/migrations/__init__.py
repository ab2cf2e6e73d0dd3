"""The history of the tables: one Alembic revision per version, applied by `store/schema.py`.

A version is `<major>.<minor>`. Within a major version a migration only adds: tables, indexes,
and columns that are nullable or have a server default, so that code of an older minor version
goes on working beside it during a rolling deploy. Released migrations are never edited.
"""

VERSIONS = ("1.1",)
"""Every version, oldest first; kept here so that a database at the last needs no Alembic."""
