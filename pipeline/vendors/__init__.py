"""What vendors deliver as CSV: a folder for each feed, which declares its columns."""
