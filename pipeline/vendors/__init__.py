"""The feeds of vendors as CSV files: a folder for each feed declares its columns."""
