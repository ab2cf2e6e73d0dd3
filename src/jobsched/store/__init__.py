"""The database: tables, transactions and the only SQL in jobsched."""
