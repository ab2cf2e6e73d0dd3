"""The daemon: the loop that fires and claims, the runner, the heart, recovery."""
