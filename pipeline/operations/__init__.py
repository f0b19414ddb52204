"""Reports of loads for people: summary, status, alerts, and the end of a command."""
