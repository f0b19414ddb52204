"""The trained model: what it is made of, and the way in for one that was saved.

Spark makes objects of whatever classes the files of a model name, and one of them runs SQL that calls any method of
Java. So a model is opened only when its files have the hash that is expected, and then are what `stages` makes.

Shipped beside the scripts that import it (spark-submit --py-files).
"""

# The modules beside this one are found at run time, where spark-submit puts them; so their types are not known here.
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
# Found by cross-validation; docs/classifiers.md says on what.
REGULARIZATION = 2e-5
ITERATIONS = 60
# Endings that are cut off, so that "enjoyed" and "enjoyable" count as one.
ENDINGS = "ingly|edly|ings|ing|ness|ment|able|ed|es|ly|er|s|y|e"
STEMS = f"""
    select *, transform(words, word -> regexp_replace(word, '(?<=[a-z0-9_]{{3}})(?:{ENDINGS})$', '')) as stems
    from __THIS__
"""  # noqa: S608 (what is put in are the endings above)
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
    """The model in a folder, which must have that hash and be what training leaves. Ends the script otherwise."""
    try:
        is_known = digest(spark, folder) == sha256
        is_ours = is_known and saved_stages(spark, folder) == trained_stages()
    except Exception as error:  # each Spark has its own classes for "no such path"
        refuse(f"open the model {folder}", f"it cannot be read as one ({type(error).__name__})", AGAIN)
    if not is_known:
        refuse(f"open the model {folder}", "its files are not those that were trained", AGAIN)
    if not is_ours:
        refuse(f"open the model {folder}", "it is not made of what a trained model is made of", AGAIN)
    return PipelineModel.load(folder)


def digest(spark: SparkSession, folder: str) -> str:
    """The hash over names and contents of all files below a folder of any file system that Spark knows."""
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
    """The class of each stage of a trained model, and its statement where it has one."""
    found = []
    for stage in stages():
        name = stage._java_obj.getClass().getName() + ("Model" if isinstance(stage, Estimator) else "")
        found.append((name, stage.getStatement() if isinstance(stage, SQLTransformer) else None))
    return found


def saved_stages(spark: SparkSession, folder: str) -> list[tuple[str, str | None]]:
    """The same of the model in a folder, without making anything of it; raises ValueError for what is no model."""
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
    """An object whose names are each there once: of two values Spark may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found
