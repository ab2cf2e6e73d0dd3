"""Programs that peers of jobsched, and jobsched itself, compete with."""
