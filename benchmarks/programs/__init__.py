"""Programs of jobsched alone, that rows start."""
