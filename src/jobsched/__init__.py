"""jobsched."""
