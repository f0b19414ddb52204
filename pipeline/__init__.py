"""The OceanRecords warehouse: what `luigi --module pipeline` sees."""

import sys

from luigi.tools.range import RangeDaily

from pipeline.tasks import seam
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

# Luigi's command asks for its worker before RangeDaily has made a task of ours. Other programs are left as they are
# until they make one themselves.
if "luigi.cmdline" in sys.modules:
    seam.install()

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
