"""The OceanRecords warehouse: what `luigi --module pipeline` sees."""

from luigi.tools.range import RangeDaily

from pipeline import scheduler
from pipeline.tasks import run_log as run_log  # registers the run log's event handlers
from pipeline.tasks.create import CreateWarehouse
from pipeline.tasks.daily import DailyWarehouseLoad, LoadHistory
from pipeline.tasks.extract import ChooseBound, ExtractTable
from pipeline.tasks.load import LoadDimension, LoadFact, LoadStage
from pipeline.tasks.simulate import SimulateBusinessDay

scheduler.use_embedded()
scheduler.check()

__all__ = [
    "ChooseBound",
    "CreateWarehouse",
    "DailyWarehouseLoad",
    "ExtractTable",
    "LoadDimension",
    "LoadFact",
    "LoadHistory",
    "LoadStage",
    "RangeDaily",
    "SimulateBusinessDay",
]
