# Superset with the project's dashboards. Built from the checkout: see deploy/README.md.
FROM python:3.12.11-slim-bookworm

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/superset superset
WORKDIR /opt/oceanrecords

COPY superset/requirements.lock superset/
RUN python -m venv .venv-superset \
    && .venv-superset/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r superset/requirements.lock
COPY superset superset
# The metrics of Superset are the KPIs.
COPY warehouse/kpis.toml warehouse/
COPY deploy/docker/superset.sh deploy/docker/

USER 10001
ENV SUPERSET_HOME=/var/lib/superset SUPERSET_CONFIG_PATH=/opt/oceanrecords/superset/superset_config.py
EXPOSE 8088
CMD ["deploy/docker/superset.sh"]
