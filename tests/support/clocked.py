"""The luigi command with another clock instead of the source's: python -m support.clocked <instant> <words>."""

import datetime as dt
import sys

from luigi.cmdline import luigi_run

from pipeline.source import source_clock

if __name__ == "__main__":
    instant = dt.datetime.fromisoformat(sys.argv[1])
    source_clock.now = lambda cursor: instant
    luigi_run(sys.argv[2:])
