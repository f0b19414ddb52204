#!/bin/sh
# Writes deploy/docker/.env with new passwords, for its owner. Keeps an existing file: databases have its passwords.
set -eu
umask 077
cd "$(dirname "$0")"
if [ -e .env ]; then
    echo "deploy/docker/.env is there already; to make new passwords, see deploy/README.md"
    exit 0
fi
random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
# Written under another name first: a rerun would take half a file for a complete one.
{
    for name in POSTGRES OCEAN EXTRACT LOAD READER GERMANY_READER ANALYST METADATA LUIGID; do
        echo "${name}_PASSWORD=$(random 20)"
    done
    echo "S3_ACCESS_KEY=$(random 10)"
    echo "S3_SECRET_KEY=$(random 20)"
    echo "SUPERSET_SECRET_KEY=$(random 32)"
    echo "SUPERSET_ADMIN_PASSWORD=$(random 12)"
    echo "SUPERSET_VIEWER_PASSWORD=$(random 12)"
    # No secret: the opening day of the simulated shop must be fixed before several days are simulated at once.
    echo "OCEAN_SHOP_OPENED_ON=$(($(date -u +%Y) - 1))-07-01"
} > .env.new
mv .env.new .env
echo "deploy/docker/.env is written; SUPERSET_ADMIN_PASSWORD in it is the password of Superset's user admin"
