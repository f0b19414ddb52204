"""What everything else stands on: settings, errors, PostgreSQL, SQL files, retries."""
