"""The canary: a row that goes through the whole feed on a schedule, and how long it takes."""
