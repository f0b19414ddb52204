"""Risk scores: API -> lake -> stage."""

import json
from collections.abc import Iterable

import luigi

from pipeline.feeds import staging
from pipeline.feeds.staging import Part
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.lake import seals
from pipeline.lake.objects import lake
from pipeline.source import layout
from pipeline.tasks.base import MarkedTask, WaitingTask, held_back
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.runtime.targets import LakeObject
from pipeline.tasks.simulate import simulated_business

SOURCE = "api.risk_score"
ANSWER = "answer.json"
LONGEST = 256 << 20  # bytes of an answer that an earlier version kept


class ExtractRiskScores(WaitingTask):
    """Keeps the answer of the risk-score API on the lake, as it came. A failure is held back.

    luigi --module pipeline ExtractRiskScores --date 2026-11-19 --local-scheduler
    """

    layer, table = "extract", "risk_score"

    def requires(self) -> Iterable[luigi.Task]:
        return simulated_business(self.date)

    def output(self) -> LakeObject:
        return LakeObject(f"{self.folder}/{layout.SUCCESS}")

    @property
    def folder(self) -> str:
        """Where the answer lies on the lake."""
        return layout.folder(SOURCE, self.date)

    @held_back
    def run(self) -> None:
        # It imports an HTTP client and a validator, which other tasks do without.
        from pipeline.feeds import risk_api

        answer = risk_api.fetch(settings().risk_api_url)
        scores, _ = risk_api.parse(answer)
        lake().write(f"{self.folder}/{ANSWER}", answer)
        lake().write(f"{self.folder}/{layout.SUCCESS}", json.dumps({"status": "done"}).encode())
        self.rows, self.bytes = len(scores), len(answer)
        self.say(f"{self.rows:,} scores", 100)


class LoadRiskScores(MarkedTask):
    """Loads the risk scores of a date into stage, where those of the newest date win. A failure is held back.

    luigi --module pipeline LoadRiskScores --date 2026-11-19 --local-scheduler
    """

    layer, table = "stage", "risk_score"

    @classmethod
    def wanted(cls, date: object) -> list[luigi.Task]:
        """The task of a date, where there is a service to ask, or an answer of it is what there is."""
        is_kept = settings().from_lake and ExtractRiskScores(date).complete()
        return [cls(date)] if settings().risk_api_url or is_kept else []

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), ExtractRiskScores(self.date)]

    @held_back
    def run(self) -> None:
        from pipeline.feeds import risk_api

        folder = ExtractRiskScores(self.date).folder
        is_done = lake().exists(f"{folder}/{layout.SUCCESS}")
        answer = seals.read_small(lake(), f"{folder}/{ANSWER}", LONGEST) if is_done else None
        if answer is None:
            raise layout.missing(lake(), folder, "ExtractRiskScores")
        scores, rejected = risk_api.parse(answer, f"{folder}/{ANSWER}")
        part = Part(self.date, "", len(scores), rejected)
        staging.check_rejected(self.table, part, settings().max_rejected)
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, f"stage.{self.table}")
            if self.marker.exists_in(cursor):
                return
            staging.fill(
                cursor, self.table, ("customer_id", "risk_score", "date"), staging.scores_csv(scores, self.date)
            )
            self.rows = staging.finish(cursor, self.table, [part])
            self.finish(cursor, len(scores))
        self.say(f"{self.rows:,} of {part.rows:,} scores are news, {len(rejected):,} rejected", 100)
