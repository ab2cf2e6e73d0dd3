"""What a host needs to test its schedules, its jobs, and its own extensions of jobsched."""

from jobsched.testing.clock import FakeClock

__all__ = ["FakeClock"]
