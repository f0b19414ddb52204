"""What the Spark scripts are made of: words, classifiers, training. Run on a few rows."""

import ast
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.labelled import COUNT, ROWS, labelled
from support.shipped import SCRIPTS, classifiers, classify_reviews, models, review_text, train_classifier
from support.warm_spark import MODEL

from pipeline.feeds.review_jobs import lexicon_files
from pipeline.lake import folders
from pipeline.lake.objects import Lake


def test_the_scripts_import_nothing_of_ours_but_the_modules_shipped_with_them() -> None:
    shipped = {path.stem for path in SCRIPTS.glob("*.py")}
    allowed = {*sys.stdlib_module_names, "pyspark", *shipped}
    for path in SCRIPTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom):
                assert str(node.module).split(".")[0] in allowed, path


WORDS = {
    "It was not good": "not not_good",
    "It isn't a very GOOD film": "isn't not_good film",
    "It isn’t good": "isn’t not_good",
    "never really all that good": "never not_good",
    "nothing new, and the cast is good": "nothing new cast good",
    "Good, not great": "good not not_great",
    "<b>Fun</b>&nbsp;&amp;&#39;twas<br/>over": "fun twas over",
    "tabs\tand\r\nlines\x00\x07 between": "tabs lines between",
    "I ❤ it 😍 :-)": "❤ 😍 :-)",
    "Ünïcode déjà-vu 10/10": "ünïcode déjà vu 10 10",
    "knotty nothing": "knotty nothing",
    "": "",
    "the of and": "",
}


def test_words_keep_negations_and_emoji_and_lose_markup_and_stop_words(spark_session: SparkSession) -> None:
    rows = spark_session.createDataFrame([(text,) for text in WORDS], "text string")
    found = rows.select("text", review_text.words(review_text.clean(F.col("text"))).alias("words")).collect()
    assert {row.text: " ".join(row.words) for row in found} == WORDS


def verdicts(rows: Any) -> dict[str, bool]:
    return {row.cleaned: row.positive_review for row in rows.collect()}


def test_the_keyword_is_a_word_and_not_a_part_of_one(spark_session: SparkSession) -> None:
    texts = {"a good film": True, "not good": True, "good": True, "goodness": False, "feelgood": False, "": False}
    rows = spark_session.createDataFrame([(text,) for text in texts], "cleaned string")
    assert verdicts(classifiers.keyword(rows)) == texts


def test_a_negated_word_counts_with_the_other_sign_in_the_lexicon(spark_session: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("nice\t2.0\nawful\t-3.0\nheart\t1.5\n", "utf-8")
    (tmp_path / "emoji.txt").write_text("💖\tsparkling heart\n❤\ufe0f\tred heart\n", "utf-8")
    texts = {
        "nice": True,
        "not nice": False,
        "not awful": True,
        "nice, nice, awful": True,
        "nice but awful": False,
        "not a nice thing, 💖": True,
        "❤": True,
        "nothing known": False,
    }
    rows = spark_session.createDataFrame([(text,) for text in texts], "cleaned string")
    files = [str(tmp_path / "words.txt"), str(tmp_path / "emoji.txt")]
    assert verdicts(classifiers.lexicon(rows, files)) == texts


def test_the_published_lexicon_knows_words_and_emoji(spark_session: SparkSession) -> None:
    scores = classifiers.scores(spark_session, [str(path) for path in lexicon_files()])
    assert scores["wonderful"] > 0 > scores["awful"]
    assert scores["😍"] > 0 > scores["😠"]


@pytest.mark.parametrize("content", [None, "", "no scores here\n"])
def test_a_lexicon_without_scores_is_refused(spark_session: SparkSession, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "words.txt").write_text(content)
    with pytest.raises(SystemExit, match=r"^cannot .* the lexicon, because"):
        classifiers.scores(spark_session, [str(tmp_path / "words.txt")])


def test_a_model_that_is_not_there_is_refused_in_one_line(spark_session: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^cannot open the model [^\n]+$"):
        models.open_model(spark_session, str(tmp_path / "none"), "0" * 64)


@pytest.mark.parametrize(("option", "classifier"), [("--lexicon", "lexicon"), ("--model", "trained")])
def test_a_classifier_without_what_it_needs_is_refused(
    option: str, classifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["classify", "--input", "i", "--output", "o", "--classifier", classifier])
    with pytest.raises(SystemExit, match=f"{option} is missing"):
        classify_reviews.main()


class Says:
    """Stands for a model: the log-odds of each review are the number beside it."""

    def transform(self, rows: DataFrame) -> DataFrame:
        return rows.withColumn("rawPrediction", array_to_vector(F.array(-F.col("log_odds"), F.col("log_odds"))))


def said_of(spark: SparkSession, log_odds: list[float]) -> list[tuple[float, bool]]:
    """Probability and decision for each of the log-odds, in their order."""
    rows = spark.createDataFrame([(each,) for each in log_odds], "log_odds double").coalesce(1)
    return [(row.positive_probability, row.positive_review) for row in classifiers.by_model(Says(), rows).collect()]


def test_a_review_is_positive_from_a_half_on_by_the_probability_that_is_kept(spark_session: SparkSession) -> None:
    sharpened = [-2000.0, -math.log(3), -2.4e-6, -1.6e-6, 0.0, math.log(3), 2000.0]
    told = [(0.0, False), (0.25, False), (0.499999, False), (0.5, True), (0.5, True), (0.75, True), (1.0, True)]
    assert said_of(spark_session, [each / models.SHARPENED for each in sharpened]) == told


def test_sharpening_changes_probabilities_and_no_decision(
    spark_session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_odds = [-3.0, -0.5, -0.01, 0.0, 0.01, 0.5, 3.0]
    sharpened = said_of(spark_session, log_odds)
    monkeypatch.setattr(classifiers, "SHARPENED", 1.0)
    plain = said_of(spark_session, log_odds)
    assert [positive for _, positive in sharpened] == [positive for _, positive in plain] == [x >= 0 for x in log_odds]
    assert [p for p, _ in plain] == [round(1 / (1 + math.exp(-x)), classifiers.DIGITS) for x in log_odds]
    for (sure, _), (unsure, _) in zip(sharpened, plain, strict=True):
        assert abs(sure - 0.5) > abs(unsure - 0.5) or sure == unsure == 0.5


def test_calibration_sets_what_was_said_beside_what_was_true(spark_session: SparkSession) -> None:
    said = [(0.0, 0.0), (0.05, 1.0), (0.5, 1.0), (0.52, 0.0), (1.0, 1.0)]
    rows = spark_session.createDataFrame(said, "positive_probability double, label double")
    found = train_classifier.calibration(rows)
    assert [each["reviews"] for each in found["bins"]] == [2, 0, 0, 0, 0, 2, 0, 0, 0, 1]
    assert (found["bins"][0]["mean_probability"], found["bins"][0]["share_positive"]) == (0.025, 0.5)
    assert (found["bins"][1]["mean_probability"], found["bins"][1]["share_positive"]) == (None, None)
    assert (found["bins"][9]["from"], found["bins"][9]["to"]) == (0.9, 1.0)
    assert found["brier_score"] == round((0.95**2 + 0.5**2 + 0.52**2) / 5, 4)
    assert found["expected_error"] == round((2 * 0.475 + 2 * 0.01) / 5, 4)


def train(_: SparkSession, source: Path, target: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        lexicon = [str(path) for path in lexicon_files()]
        patch.setattr(sys, "argv", ["train", "--input", str(source), "--output", str(target), "--lexicon", *lexicon])
        train_classifier.main()
    metrics: dict[str, Any] = json.loads((target / "metrics.json").read_text())
    return metrics


def metrics_of(lake: Lake) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lake.read(f"{MODEL}/metrics.json") or b"")
    return found


def test_what_was_learned_holds_for_reviews_that_were_not_shown(trained: Lake) -> None:
    held_out = metrics_of(trained)["held_out"]
    assert held_out["trained"]["accuracy"] > max(0.7, held_out["keyword"]["accuracy"])


def test_every_classifier_is_measured_on_the_same_reviews(trained: Lake) -> None:
    held_out = metrics_of(trained)["held_out"]
    assert set(held_out) == {"trained", "keyword", "lexicon"}
    assert len({figures["rows"] for figures in held_out.values()}) == 1
    assert held_out["lexicon"]["accuracy"] > 0.6


def test_metrics_count_all_rows_and_refused_ones(trained: Lake) -> None:
    metrics = metrics_of(trained)
    assert (metrics["rows"], metrics["refused_rows"]) == (COUNT, 5)
    for figures in metrics["held_out"].values():
        matrix = figures["confusion_matrix"]
        assert sum(matrix.values()) == figures["rows"] == metrics["rows"] - metrics["measured_model_trained_on"]
        right = matrix["true_positive"] + matrix["true_negative"]
        assert figures["accuracy"] == round(right / figures["rows"], 4)
        called = matrix["true_positive"] + matrix["false_positive"]
        assert figures["precision"] == (round(matrix["true_positive"] / called, 4) if called else None)


def test_the_model_is_of_all_reviews_and_another_one_is_measured(trained: Lake) -> None:
    metrics = metrics_of(trained)
    assert metrics["trained_on"] == metrics["rows"] > metrics["measured_model_trained_on"]
    bins = metrics["calibration"]["bins"]
    assert sum(each["reviews"] for each in bins) == metrics["held_out"]["trained"]["rows"]


def test_training_again_on_the_same_reviews_in_another_order_gives_the_same_model(
    trained: Lake, spark_session: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(2):
        (tmp_path / f"in/{number}.csv").write_text(labelled(ROWS[number::2][::-1]), "utf-8")
    assert train(spark_session, tmp_path / "in", tmp_path / "out")["held_out"] == metrics_of(trained)["held_out"]

    def weights(model: Path) -> Any:
        sha256 = models.digest(spark_session, str(model))
        stages = models.open_model(spark_session, str(model), sha256).stages
        [learned_from] = [stage.numDocs for stage in stages if hasattr(stage, "numDocs")]
        assert learned_from == COUNT  # the held-out reviews too
        return stages[-1].coefficients

    folders.fetch(trained, trained.objects(MODEL), tmp_path / "first")
    assert weights(tmp_path / "out/model") == weights(tmp_path / "first" / MODEL / "model")


@pytest.mark.parametrize("rows", ["", "only,true\nof one,true\nkind,true\n", "no,label\n,true\n"])
def test_training_without_both_kinds_is_refused(spark_session: SparkSession, tmp_path: Path, rows: str) -> None:
    (tmp_path / "in.csv").write_text(f"review_str,positive\n{rows}")
    with pytest.raises(SystemExit, match=r"^cannot train on .* because"):
        train(spark_session, tmp_path / "in.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
