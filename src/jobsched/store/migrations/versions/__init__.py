"""One module per version; Alembic reads `revision`, `down_revision` and `upgrade` from it."""
