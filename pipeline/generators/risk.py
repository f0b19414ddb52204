"""The simulated risk-score service: `GET /risk-scores` for the user and the password of services.json.

python -m pipeline.generators.risk /var/lib/oceanrecords/services.json
"""

import datetime as dt
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from secrets import compare_digest
from typing import Annotated
from urllib.parse import urlsplit

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from pipeline.generators.scores import risk_scores
from pipeline.kernel import postgres
from pipeline.kernel.errors import OceanError
from pipeline.kernel.refusals import refusals

ENTRIES_AT_ONCE = 5000
NO_SHOP = "select to_regclass('simulator.business_day') is null"
LAST_DAY = """
select seed, business_date, last_customer_id from simulator.shop cross join simulator.business_day
order by business_date desc limit 1
"""


def create_app(services_file: Path) -> FastAPI:
    """The service for the shop that services.json names. Reads the file again for each request.

    `/risk-scores` streams a JSON list of customer_id and risk_score, as of the shop's last business day, and an
    empty one if there is no shop yet. `/health` answers 204. Without the password both answer 401. The scores answer
    503 while the shop's database does not answer.
    """
    app = FastAPI(openapi_url=None)
    login = HTTPBasic()

    def let_in(given: Annotated[HTTPBasicCredentials, Depends(login)]) -> None:
        known = urlsplit(_access(services_file)["risk_api_url"])
        is_user = compare_digest(given.username.encode(), (known.username or "").encode())
        is_password = compare_digest(given.password.encode(), (known.password or "").encode())
        if not (is_user and is_password):
            raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})

    @app.get("/health", status_code=204, dependencies=[Depends(let_in)])
    def health() -> None:
        """Answers even if the database does not: starting this service again would not fix that."""

    @app.get("/risk-scores", dependencies=[Depends(let_in)])
    def scores() -> StreamingResponse:
        last = _last_day(_access(services_file)["simulator_url"])
        return StreamingResponse(_json(risk_scores(*last) if last else iter(())), media_type="application/json")

    @app.exception_handler(OceanError)
    def refuse(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    return app


def _access(services_file: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads(services_file.read_text())
    return kept


def _last_day(url: str) -> tuple[int, dt.date, int] | None:
    """The shop's seed, its last business day and its number of customers on it; None before the first business day."""
    with (
        refusals("simulator"),
        closing(postgres.connect(url, "simulator", autocommit=True)) as connection,
        connection.cursor() as cursor,
    ):
        found = [] if postgres.value(cursor, NO_SHOP) else postgres.rows(cursor, LAST_DAY)
    return found[0] if found else None


def _json(scores: Iterator[tuple[int, int]]) -> Iterator[str]:
    """A JSON list in pieces."""
    before = "["
    while entries := [
        f'{{"customer_id":{customer},"risk_score":{score}}}' for customer, score in islice(scores, ENTRIES_AT_ONCE)
    ]:
        yield before + ",\n".join(entries)
        before = ",\n"
    yield "]" if before == ",\n" else "[]"


def main(services_file: Path) -> None:
    """Serves at the port of services.json until the process is told to stop."""
    port = urlsplit(_access(services_file)["risk_api_url"]).port
    assert port
    uvicorn.run(
        create_app(services_file),
        host="127.0.0.1",
        port=port,
        workers=1,  # even with WEB_CONCURRENCY in the environment
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
