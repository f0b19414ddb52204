"""The Spark session of training and classifying, and how the text of a review becomes words.

Shipped beside the scripts that import it (spark-submit --py-files). All of it runs in the JVM, with functions that
Spark has had since 3.5, on Python 3.9 and later.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F


def _listed(text: str) -> list[str]:
    return text.split()


# Function words without a mood. Negations and "but" are not among them.
STOP_WORDS = _listed(
    "a an the i me my you your he him his she her it its we us our they them their this that these those "
    "is am are was were be been being have has had do does did of at by for with to from in on and or as"
)
# Words that may stand between a negation and the word it negates: "never really all that good".
FILLERS = STOP_WORDS + _listed("very too so really quite even all any much such just more most")
NEGATIONS = [*_listed("not no never nor neither without hardly barely scarcely cannot"), r"\p{L}+n['’]t"]

START, END = r"(?<![\p{L}\p{N}_])", r"(?![\p{L}\p{N}_])"
NEGATED = rf"{START}({'|'.join(NEGATIONS)})\s+(?:(?:{'|'.join(FILLERS)})\s+)*(\p{{L}}[\p{{L}}'’-]*)"
# A word with its apostrophes, an emoticon, or an emoji.
WORD = r"[\p{L}\p{N}_]+(?:['’][\p{L}]+)*|[:;=]-?[()]|[\x{2600}-\x{27BF}\x{1F300}-\x{1FAFF}]"

NEGATED_PREFIX = "not_"


def session(name: str) -> SparkSession:
    """A session whose results do not depend on where it runs."""
    settings = {
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        # No file but the data: the caller decides whether a date is complete.
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        # The driver lists hundreds of small folders quickly; a task for each would take long.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
        "spark.sql.files.openCostInBytes": "65536",
        "spark.sql.shuffle.partitions": "16",
    }
    builder = SparkSession.builder.appName(name)
    for setting, value in settings.items():
        builder = builder.config(setting, value)
    return builder.getOrCreate()


def clean(text: Column) -> Column:
    """The text in lower case, without HTML and control characters, with one space between words."""
    for pattern, replacement in (
        (r"<[^<>]{1,100}>", " "),
        (r"&(?:amp|#38);", "&"),
        (r"&(?:quot|#34);", '"'),
        (r"&(?:apos|#0?39|rsquo);", "'"),
        (r"&(?:nbsp|[lg]t|#\d{1,6}|[a-z]{2,8});", " "),
        (r"[\p{Cntrl}\s\x{A0}\x{2028}\x{2029}]+", " "),
    ):
        text = F.regexp_replace(text, pattern, replacement)
    return F.lower(F.trim(text))


def words(cleaned: Column) -> Column:
    """The words of a cleaned text, without stop words.

    Joins a negation to the next word with a meaning of its own, before stop words are removed: "it was not a very good
    film" becomes not, not_good, film. After Das & Chen (2001) and Pang, Lee & Vaithyanathan (2002), who mark all words
    up to the end of the clause.
    """
    tied = F.regexp_replace(cleaned, NEGATED, rf"$1 {NEGATED_PREFIX}$2")
    return F.filter(F.regexp_extract_all(tied, F.lit(WORD), F.lit(0)), lambda word: ~word.isin(STOP_WORDS))


def refuse(cannot: str, because: str, do: str) -> NoReturn:
    """Ends the script with one line that says why, and an exit code that is not 0."""
    sys.exit(f"cannot {cannot}, because {because}; {do}")
