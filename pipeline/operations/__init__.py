"""What people see of loads: summary, status, alerts, and how a command ended."""
