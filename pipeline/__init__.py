"""The OceanRecords warehouse: what `luigi --module pipeline` sees."""

import sys

from luigi.tools.range import RangeDaily

from pipeline.tasks.check_warehouse import CheckMart, CheckWarehouse
from pipeline.tasks.copy_source import CopySource
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.daily import DailyWarehouseLoad, LoadHistory
from pipeline.tasks.extract_table import ChooseBound, ExtractLog, ExtractTable
from pipeline.tasks.forecast_sales import ForecastSales
from pipeline.tasks.load_feed import LoadFeed, LoadPartnerOrders
from pipeline.tasks.load_lake_star import LoadLakeStar, MaintainLakeStar, RebuildLakeStar, ReconcileStar
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_reviews import ClassifyReviews, LoadReviews, TrainReviewClassifier
from pipeline.tasks.load_risk_scores import ExtractRiskScores, LoadRiskScores
from pipeline.tasks.load_table import LoadDimension, LoadFact, LoadStage
from pipeline.tasks.load_user_behavior import ExtractPurchases, LoadUserBehavior
from pipeline.tasks.rebuild import ClearDate, RebuildTable, RebuildWarehouse
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.tasks.runtime import seam
from pipeline.tasks.simulate import SimulateBusinessDay, SimulateFeeds

# Luigi's command asks for its worker before RangeDaily has made a task of ours. Other programs are left as they are
# until they make one themselves.
if "luigi.cmdline" in sys.modules:
    seam.install()

__all__ = [
    "CheckMart",
    "CheckWarehouse",
    "ChooseBound",
    "ClassifyReviews",
    "ClearDate",
    "CopySource",
    "CreateWarehouse",
    "DailyWarehouseLoad",
    "ExtractLog",
    "ExtractPurchases",
    "ExtractRiskScores",
    "ExtractTable",
    "ForecastSales",
    "LoadDimension",
    "LoadFact",
    "LoadFeed",
    "LoadHistory",
    "LoadLakeStar",
    "LoadMart",
    "LoadPartnerOrders",
    "LoadReviews",
    "LoadRiskScores",
    "LoadStage",
    "LoadUserBehavior",
    "MaintainLakeStar",
    "RangeDaily",
    "RebuildLakeStar",
    "RebuildTable",
    "RebuildWarehouse",
    "ReconcileSource",
    "ReconcileStar",
    "SimulateBusinessDay",
    "SimulateFeeds",
    "TrainReviewClassifier",
]
