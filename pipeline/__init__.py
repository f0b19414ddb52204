"""The OceanRecords warehouse: what `luigi --module pipeline` sees."""

from luigi.tools.range import RangeDaily

from pipeline import scheduler
from pipeline.tasks import command
from pipeline.tasks.behavior import ExtractPurchases, LoadUserBehavior
from pipeline.tasks.create import CreateWarehouse
from pipeline.tasks.daily import DailyWarehouseLoad, LoadHistory
from pipeline.tasks.extract import ChooseBound, ExtractTable
from pipeline.tasks.feeds import LoadPartnerOrders
from pipeline.tasks.load import LoadDimension, LoadFact, LoadStage
from pipeline.tasks.mart import LoadMart
from pipeline.tasks.quality import CheckWarehouse
from pipeline.tasks.rebuild import ClearDate, RebuildTable, RebuildWarehouse
from pipeline.tasks.reconcile import ReconcileSource
from pipeline.tasks.reviews import ClassifyReviews, LoadReviews, TrainReviewClassifier
from pipeline.tasks.risk import ExtractRiskScores, LoadRiskScores
from pipeline.tasks.simulate import SimulateBusinessDay, SimulateFeeds
from pipeline.tasks.worker import run_small_tasks_in_the_worker

scheduler.use_embedded()
command.watch()
run_small_tasks_in_the_worker()

__all__ = [
    "CheckWarehouse",
    "ChooseBound",
    "ClassifyReviews",
    "ClearDate",
    "CreateWarehouse",
    "DailyWarehouseLoad",
    "ExtractPurchases",
    "ExtractRiskScores",
    "ExtractTable",
    "LoadDimension",
    "LoadFact",
    "LoadHistory",
    "LoadMart",
    "LoadPartnerOrders",
    "LoadReviews",
    "LoadRiskScores",
    "LoadStage",
    "LoadUserBehavior",
    "RangeDaily",
    "RebuildTable",
    "RebuildWarehouse",
    "ReconcileSource",
    "SimulateBusinessDay",
    "SimulateFeeds",
    "TrainReviewClassifier",
]
