#!/bin/sh
# Brings dashboards, roles and users to what superset/ says, then serves them. The server itself does not know the
# passwords of users.
set -eu
cd "$(dirname "$0")/../.."
python=.venv-superset/bin/python
# Not from the checkout's own folder: a folder called superset would be taken for the package.
here=$PWD
cd /tmp
"$here/$python" "$here/superset/deploy.py"
exec env -u SUPERSET_ADMIN_PASSWORD -u SUPERSET_VIEWER_PASSWORD \
    "$here/$python" -m gunicorn --config "$here/superset/gunicorn.conf.py" --bind 0.0.0.0:8088 --worker-tmp-dir /tmp
