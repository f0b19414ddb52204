"""The scripts and the modules shipped with them, found as spark-submit has them found."""

import sys
from importlib import import_module

from pipeline.spark.job import SCRIPTS as SCRIPTS

sys.path.insert(0, str(SCRIPTS))

review_text = import_module("review_text")
models = import_module("models")
classifiers = import_module("classifiers")
classify_reviews = import_module("classify_reviews")
train_classifier = import_module("train_classifier")
