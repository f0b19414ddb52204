"""What goes wrong around a load, and that it changes nothing of what the load ends in."""
