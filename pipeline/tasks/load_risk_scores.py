"""Risk scores: API -> lake -> stage."""

import json
from collections.abc import Iterable

import luigi

from pipeline.feeds import staging
from pipeline.feeds.staging import Part
from pipeline.kernel import locks
from pipeline.kernel.config import settings
from pipeline.kernel.streams import Readable
from pipeline.lake import forms, seals
from pipeline.lake.objects import lake
from pipeline.source import instants, layout
from pipeline.tasks.base import MarkedTask, WaitingTask, held_back
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.runtime import under_way
from pipeline.tasks.runtime.targets import LakeObject
from pipeline.tasks.simulate import simulated_business

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
        """The key of the answer that this command keeps on the lake."""
        return layout.folder(layout.SCORES, self.date, under_way.until(self.date))

    @held_back
    def run(self) -> None:
        # It imports an HTTP client and a validator, which other tasks do without.
        from pipeline.feeds import risk_api

        answer, answered_at = risk_api.fetch(settings().risk_api_url)
        scores, _ = risk_api.parse(answer)
        lake().write(f"{self.folder}/{ANSWER}", answer)
        status = {"status": "done", "answered_at": answered_at.isoformat()}
        lake().write(f"{self.folder}/{layout.SUCCESS}", json.dumps(status).encode())
        self.rows, self.bytes = len(scores), len(answer)
        self.say(f"{self.rows:,} scores", 100)


class LoadRiskScores(MarkedTask):
    """Loads the risk scores of a date into stage. The newest answer wins, by its own clock.

    A failure is held back. A rebuild loads all answers of the date, with those of its time under way.

    luigi --module pipeline LoadRiskScores --date 2026-11-19 --local-scheduler
    """

    layer, table = "stage", "risk_score"

    @classmethod
    def wanted(cls, date: object) -> list[luigi.Task]:
        """The task of a date, if there is a service to ask, or if the load is from the lake and has an answer."""
        is_kept = settings().from_lake and ExtractRiskScores(date).complete()
        return [cls(date)] if settings().risk_api_url or is_kept else []

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), ExtractRiskScores(self.date)]

    @held_back
    def run(self) -> None:
        answers = [self.answer(folder) for folder in self._folders()]
        with self.transaction() as cursor:
            locks.lock(cursor, f"stage.{self.table}")
            if self.marker.exists_in(cursor):
                return
            self.rows = 0
            for part, scores in answers:
                staging.fill(cursor, self.table, staging.SCORE_COLUMNS, scores)
                self.rows += staging.finish(cursor, self.table, [part])
            rows, rejected = part.rows, len(part.rejected)
            self.marker.touch(cursor)
        self.say(f"{self.rows:,} of {rows:,} scores are news, {rejected:,} rejected", 100)

    def _folders(self) -> list[str]:
        """The answers to load, in their order."""
        newest = ExtractRiskScores(self.date).folder
        untils = lake().untils(layout.folders(layout.SCORES), self.date) if settings().from_lake else []
        folders = [layout.folder(layout.SCORES, self.date, until) for until in untils]
        kept = [each for each in folders if each != newest and lake().exists(f"{each}/{layout.SUCCESS}")]
        return [*kept, newest]

    def answer(self, folder: str) -> tuple[Part, Readable]:
        """What the answer in a folder brings. Raises BadExtract, BadAnswer, TooManyRejected."""
        from pipeline.feeds import risk_api

        status = seals.read(lake(), f"{folder}/{layout.SUCCESS}", forms.ANSWERED)
        answer = seals.read_small(lake(), f"{folder}/{ANSWER}", LONGEST) if status is not None else None
        if status is None or answer is None:
            raise layout.missing(lake(), folder, "ExtractRiskScores")
        # An earlier version kept no time: it was a load of the date.
        answered_at = str(status.get("answered_at") or instants.end_of(self.date).isoformat())
        scores, rejected = risk_api.parse(answer, f"{folder}/{ANSWER}")
        part = Part(self.date, "", len(scores), rejected)
        staging.check_rejected(self.table, part, settings().allowance)
        return part, staging.scores_csv(scores, self.date, answered_at)
