"""The back office of a small shop: an example of jobsched at work on real rows.

The domain is in plain functions that know nothing of schedules (``feeds``, ``traits``,
``search``, ``matching``, ``cleanup``); ``jobs`` turns them into jobs and says when they run.
"""
