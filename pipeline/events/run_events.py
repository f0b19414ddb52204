"""The events themselves, with the models of OpenLineage's own client, and as the JSON that it makes of them."""

import datetime as dt

from openlineage.client import set_producer
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_new_uuid

from pipeline.events.happenings import Counts, Happening, State
from pipeline.events.movements import Behind, Movement, Movements, Output
from pipeline.kernel import clock
from pipeline.kernel.config import Settings
from pipeline.lineage import warehouse
from pipeline.lineage.graph import Kind

PRODUCER = "urn:oceanrecords:pipeline"
TRANSFORMATIONS = {Kind.VALUE: "DIRECT", Kind.CONDITION: "INDIRECT"}


def prepare() -> None:
    """Imports and computes what writing events needs, so that the thread which sends them only writes and posts.

    A child that is forked while another thread imports a module could never import it. A rerun in the same process
    finds all done. Raises LineageUnknown.
    """
    set_producer(PRODUCER)
    warehouse.of_warehouse()
    _nominal_time(clock.today())  # to check an instant, the client imports another package


def new_id() -> str:
    """The id of a new run: a UUID, higher than those before it."""
    return str(generate_new_uuid())


class Writer:
    """Writes the events of one command."""

    def __init__(self, settings: Settings) -> None:
        self._namespace = settings.openlineage_namespace
        self._movements = Movements(settings)

    def json(self, happening: Happening) -> bytes:
        """The event of what happened to a run. Raises ConfigError for settings that name no place."""
        run = happening.run
        movement = self._movements.of_task(run.family, run.target)
        event = RunEvent(
            eventTime=happening.at.isoformat(),
            eventType=RunState[happening.state.name],
            run=Run(run.id, self._of_run(happening)),
            job=Job(self._namespace, run.job, _of_job()),
            inputs=[InputDataset(place.namespace, place.name) for place in movement.inputs],
            outputs=_outputs(movement, happening),
        )
        return Serde.to_json(event).encode()

    def _of_run(self, happening: Happening) -> dict[str, RunFacet]:
        found: dict[str, RunFacet] = {}
        if parent := happening.run.parent:
            job = parent_run.Job(self._namespace, parent.job)
            found["parent"] = parent_run.ParentRunFacet(parent_run.Run(parent.id), job)
        if date := happening.run.parameters.get("date"):
            found["nominalTime"] = _nominal_time(dt.date.fromisoformat(date))
        if happening.error:
            found["errorMessage"] = error_message_run.ErrorMessageRunFacet(happening.error, "PYTHON")
        return found


def _of_job() -> dict[str, JobFacet]:
    return {"jobType": job_type_job.JobTypeJobFacet("BATCH", "LUIGI", "TASK")}


def _nominal_time(date: dt.date) -> RunFacet:
    """The day of a date, in UTC."""
    days = (date, date + dt.timedelta(days=1))
    return nominal_time_run.NominalTimeRunFacet(*(f"{day}T00:00:00Z" for day in days))


def _outputs(movement: Movement, happening: Happening) -> list[OutputDataset]:
    """What a run writes; what is known of it beyond its place goes with the event of a run that is complete."""
    if happening.state is not State.COMPLETE:
        return [OutputDataset(output.place.namespace, output.place.name) for output in movement.outputs]
    counted = movement.outputs[:1] if movement.is_counted else ()
    return [
        OutputDataset(
            output.place.namespace,
            output.place.name,
            _statistics(happening.counts if output in counted else Counts()),
            facets=_of_dataset(output),
        )
        for output in movement.outputs
    ]


def _statistics(counts: Counts) -> dict[str, OutputDatasetFacet]:
    if counts == Counts():
        return {}
    found = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(counts.rows, counts.bytes)
    return {"outputStatistics": found}


def _of_dataset(output: Output) -> dict[str, DatasetFacet]:
    if not output.columns:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name, ordinal_position=n) for n, name in enumerate(output.columns, 1)
    ]
    lineage = {name: _behind(behind) for name, behind in output.columns.items() if behind}
    return {
        "schema": schema_dataset.SchemaDatasetFacet(fields),
        **({"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(lineage)} if lineage else {}),
    }


def _behind(behind: Behind) -> column_lineage_dataset.Fields:
    return column_lineage_dataset.Fields(
        [
            column_lineage_dataset.InputField(
                place.namespace, place.name, column, [column_lineage_dataset.Transformation(TRANSFORMATIONS[kind])]
            )
            for (place, column), kind in behind.items()
        ]
    )
