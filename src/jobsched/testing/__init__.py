"""What a host needs to test its schedules, its jobs, and its own extensions of jobsched."""

from jobsched.testing.clock import FakeClock
from jobsched.testing.simulation import Outage, Simulation, simulate

__all__ = ["FakeClock", "Outage", "Simulation", "simulate"]
