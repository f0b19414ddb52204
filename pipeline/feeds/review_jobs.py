"""The jobs on reviews: which script, with which files and arguments."""

from importlib.util import find_spec
from pathlib import Path

from pipeline.kernel.errors import ConfigError
from pipeline.spark.job import SCRIPTS, Job

MODULES = (SCRIPTS / "classifiers.py", SCRIPTS / "models.py", SCRIPTS / "review_text.py")


def lexicon_files() -> tuple[Path, ...]:
    """VADER's lexicon: words with their scores, and emojis with their meanings.

    C. J. Hutto and E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text",
    ICWSM 2014. The package's data alone is used: importing it would import an HTTP client. Raises ConfigError when
    the package is missing.
    """
    found = find_spec("vaderSentiment")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "use the lexicon of reviews", "the package vaderSentiment is not installed", "install it with `make env`"
        )
    folder = Path(found.submodule_search_locations[0])
    return folder / "vader_lexicon.txt", folder / "emoji_utf8_lexicon.txt"


def classify(
    name: str,
    landing: str,
    dates: tuple[str, ...],
    target: str,
    classifier: str,
    model: str = "",
    sha256: str = "",
) -> Job:
    """Classifies the reviews in `landing`/date=D/ for some dates (YYYY-MM-DD) to `target`/date=D/.

    `model` is the folder that `train` had for its target, and `sha256` the hash that the files of the model must have;
    they are needed for the classifier `trained` alone.
    """
    folders = tuple(f"{landing}/date={date}" for date in dates)
    arguments: tuple[str, ...] = (
        "--input",
        f"{{source}}/{landing}",
        "--output",
        "{target}",
        "--classifier",
        classifier,
    )
    if classifier == "trained":
        folders += (f"{model}/model",)
        arguments += ("--model", f"{{source}}/{model}/model", "--model-sha256", sha256)
    lexicon = lexicon_files() if classifier == "lexicon" else ()
    return Job(
        name=name,
        script=SCRIPTS / "classify_reviews.py",
        sources=folders,
        target=target,
        arguments=arguments + _lexicon_argument(lexicon),
        files=MODULES + lexicon,
    )


def train(name: str, labelled: str, target: str) -> Job:
    """Trains on the CSV files in the folder `labelled`, and leaves `target`/model/ and `target`/metrics.json."""
    lexicon = lexicon_files()
    return Job(
        name=name,
        script=SCRIPTS / "train_classifier.py",
        sources=(labelled,),
        target=target,
        arguments=("--input", f"{{source}}/{labelled}", "--output", "{target}", *_lexicon_argument(lexicon)),
        files=MODULES + lexicon,
    )


def _lexicon_argument(files: tuple[Path, ...]) -> tuple[str, ...]:
    return ("--lexicon", *(f"{{files}}/{path.name}" for path in files)) if files else ()
