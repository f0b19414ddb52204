#!/usr/bin/env bash
# One load as a competitor in a benchmark of pipelines: loads OPERATIONAL_URL up to LOAD_DATE into WAREHOUSE_URL.
# Needs `make up` for its S3, or AWS_ENDPOINT_URL; each warehouse has a folder of its own on the lake. With all that a
# user has on, the aggregates of dashboards and the checks of everything too; competitors do neither. OCEAN_MART=0 and
# OCEAN_CHECK_WHOLE_DAYS=0 leave them out.
set -eu
cd "$(dirname "$0")/.."
number=$(printf %s "$WAREHOUSE_URL" | cksum | cut -d' ' -f1)
export LAKE_URL="s3://ocean-lake/benchmarks/$number" OCEAN_SIMULATE=0 OCEAN_MART="${OCEAN_MART:-1}" \
    OCEAN_CHECK_WHOLE_DAYS="${OCEAN_CHECK_WHOLE_DAYS:-7}"
exec .venv/bin/luigi --module pipeline DailyWarehouseLoad --date "$LOAD_DATE" --local-scheduler --workers "${WORKERS:-2}"
