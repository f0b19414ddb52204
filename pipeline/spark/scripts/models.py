"""The trained model: its stages, and how a saved one is opened.

Spark makes objects of any class that the files of a model name, and one of them runs SQL that calls any method of
Java. So a model is opened only if its files have the expected hash and hold the stages that `stages` makes.

Shipped beside the scripts that import it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pyspark.ml import Estimator, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import IDF, HashingTF, NGram, Normalizer, SQLTransformer
from pyspark.sql import SparkSession
from review_text import refuse

FEATURES = 1 << 18
REGULARIZATION = 2e-5
# The regression's own probabilities are too close to a half. This factor of its log-odds has the least log loss in the
# cross-validation of benchmarks/classifiers.py (temperature scaling: Guo et al., "On Calibration of Modern Neural
# Networks", 2017). It changes no decision.
SHARPENED = 1.8
ITERATIONS = 60
# Endings that are cut off, so that "enjoyed" and "enjoyable" count as one.
ENDINGS = "ingly|edly|ings|ing|ness|ment|able|ed|es|ly|er|s|y|e"
STEMS = f"""
    select *, transform(words, word -> regexp_replace(word, '(?<=[a-z0-9_]{{3}})(?:{ENDINGS})$', '')) as stems
    from __THIS__
"""
PIPELINE = "org.apache.spark.ml.PipelineModel"
UID = re.compile(r"[A-Za-z]+_[0-9a-f]+")
AGAIN = "train one with train_classifier.py, and name its folder model/ and the hash that is printed"


def stages() -> list[Any]:
    """The steps of the model before it is trained, from `words` to `prediction`."""
    return [
        SQLTransformer(statement=STEMS),
        NGram(n=2, inputCol="stems", outputCol="pairs"),
        SQLTransformer(statement="select *, concat(stems, pairs) as terms from __THIS__"),
        HashingTF(numFeatures=FEATURES, binary=True, inputCol="terms", outputCol="counts"),
        IDF(inputCol="counts", outputCol="weights"),
        Normalizer(inputCol="weights", outputCol="features"),
        LogisticRegression(regParam=REGULARIZATION, maxIter=ITERATIONS, standardization=False),
    ]


def open_model(spark: SparkSession, folder: str, sha256: str) -> PipelineModel:
    """The model in a folder. Ends the script if it has another hash or other stages than training leaves."""
    try:
        is_known = digest(spark, folder) == sha256
        is_ours = is_known and saved_stages(spark, folder) == trained_stages()
    except Exception as error:  # each Spark has its own classes for "no such path"
        refuse(f"open the model {folder}", f"it cannot be read as one ({type(error).__name__})", AGAIN)
    if not is_known:
        refuse(f"open the model {folder}", "its files are not those that were trained", AGAIN)
    if not is_ours:
        refuse(f"open the model {folder}", "its parts are not those of a trained model", AGAIN)
    return PipelineModel.load(folder)


def digest(spark: SparkSession, folder: str) -> str:
    """The hash of names and contents of all files below a folder, on any file system that Spark knows."""
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(folder)
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    root = system.makeQualified(path).toUri().getPath()
    files, lines = system.listFiles(path, True), []
    while files.hasNext():
        file = files.next().getPath()
        stream = system.open(file)
        try:
            content = jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream)
        finally:
            stream.close()
        lines.append(f"{file.toUri().getPath()[len(root) + 1 :]} {content}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def trained_stages() -> list[tuple[str, str | None]]:
    """The class of each stage of a trained model, and its statement if it has one."""
    found = []
    for stage in stages():
        name = stage._java_obj.getClass().getName() + ("Model" if isinstance(stage, Estimator) else "")
        found.append((name, stage.getStatement() if isinstance(stage, SQLTransformer) else None))
    return found


def saved_stages(spark: SparkSession, folder: str) -> list[tuple[str, str | None]]:
    """Class and statement of each stage in a folder, without making objects. Raises ValueError if it is no model."""
    pipeline = _metadata(spark, folder)
    if pipeline["class"] != PIPELINE:
        raise ValueError("it is no pipeline")
    found = []
    for number, uid in enumerate(pipeline["paramMap"]["stageUids"]):
        if not UID.fullmatch(uid):
            raise ValueError("a stage has no name")
        stage = _metadata(spark, f"{folder}/stages/{number}_{uid}")
        found.append((stage["class"], stage["paramMap"].get("statement")))
    return found


def _metadata(spark: SparkSession, folder: str) -> dict[str, Any]:
    [line] = spark.read.text(f"{folder}/metadata").collect()
    return json.loads(line.value, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which every name occurs once: of two values Spark may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found
