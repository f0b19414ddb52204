"""How Luigi runs our tasks: targets, scheduler, worker, the run log, and the end of a command."""
