"""The dashboard of Senior Management: periods, reports from the replica, tables, CSV files."""
