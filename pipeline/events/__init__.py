"""OpenLineage events: what each run of a task reads and writes, for a catalogue that shows it."""
