# The pipeline, its luigid and its S3 server. Built from the checkout: see deploy/README.md.
FROM python:3.12.11-slim-bookworm

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/oceanrecords oceanrecords
WORKDIR /opt/oceanrecords

# Like `make env`: installs the tested versions. The lock file comes first, because it changes less often than the code.
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
COPY setup.py pyproject.toml luigi.cfg ./
COPY pipeline pipeline
COPY warehouse warehouse
# What the dashboards show, for the data book.
COPY superset/assets superset/assets
COPY deploy/daily.sh deploy/databases.py deploy/
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

# The code belongs to root. Its user, oceanrecords, writes only in its home.
USER 10001
ENV OCEAN_HOME=/var/lib/oceanrecords PATH=/opt/oceanrecords/.venv/bin:$PATH
CMD ["deploy/daily.sh", "--local-scheduler"]
