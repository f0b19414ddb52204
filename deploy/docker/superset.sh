#!/bin/sh
# Deploys dashboards, roles and users from superset/, then serves them. The server itself does not get the users'
# passwords.
set -eu
cd "$(dirname "$0")/../.."
python=.venv-superset/bin/python
# Not from the checkout's own folder: Python would take its folder `superset` for the package.
here=$PWD
cd /tmp
"$here/$python" "$here/superset/deploy.py"
exec env -u SUPERSET_ADMIN_PASSWORD -u SUPERSET_VIEWER_PASSWORD \
    "$here/$python" -m gunicorn --config "$here/superset/gunicorn.conf.py" --bind 0.0.0.0:8088 --worker-tmp-dir /tmp
