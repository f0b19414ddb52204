"""What people ask for on a terminal: the status, an order's way, a KPI explained, the doctor."""
