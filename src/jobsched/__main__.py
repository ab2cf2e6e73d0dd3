"""`python -m jobsched`: the same commands as the script `jobsched`."""

from jobsched.cli import main

if __name__ == "__main__":
    main()
