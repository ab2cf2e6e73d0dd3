"""Decisions, pure: which occurrences fire, in which order jobs run, what follows an end."""
