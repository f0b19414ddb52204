#!/bin/sh
# The nightly load: each of the last 14 days (UTC) that is over and not loaded yet. The first of them also loads changes
# from before them. Arguments go to luigi, --local-scheduler for example.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/luigi --module pipeline RangeDaily --of DailyWarehouseLoad \
    --start "$(date -u -d '14 days ago' +%F)" --stop "$(date -u +%F)" --workers 2 "$@"
