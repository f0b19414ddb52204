"""What the task that trains a classifier says at its end."""

from typing import Any

from pipeline.feeds import review_models

REPORT = """
trained on 2,750 reviews; 3 rows refused
measured on 550 of them, with a model of the 2,200 others
classifier  accuracy  precision  recall  true positive  false positive  false negative  true negative
----------  --------  ---------  ------  -------------  --------------  --------------  -------------
trained        0.764      0.750   0.800            240              80              60            170
keyword        0.545          -   0.000              0               0             250            300

Brier score 0.156, expected calibration error 0.031
probability  reviews   mean  share positive
-----------  -------  -----  --------------
0.0 to 0.1       150  0.050           0.060
0.1 to 0.2         0      -               -"""


def test_a_training_tells_what_it_has_learned_from_how_good_it_is_and_how_sure() -> None:
    assert review_models.report(metrics()) == REPORT


def metrics() -> dict[str, Any]:
    def measured(counts: tuple[int, ...], shares: tuple[float | None, ...]) -> dict[str, Any]:
        names = ("true_positive", "false_positive", "false_negative", "true_negative")
        figures = dict(zip(("accuracy", "precision", "recall"), shares, strict=True))
        return {"rows": sum(counts), "confusion_matrix": dict(zip(names, counts, strict=True)), **figures}

    return {
        "rows": 2750,
        "refused_rows": 3,
        "trained_on": 2750,
        "measured_model_trained_on": 2200,
        "held_out": {
            "trained": measured((240, 80, 60, 170), (0.7636, 0.75, 0.8)),
            "keyword": measured((0, 0, 250, 300), (0.5455, None, 0.0)),
        },
        "calibration": {
            "brier_score": 0.1561,
            "expected_error": 0.0309,
            "bins": [
                {"from": 0.0, "to": 0.1, "reviews": 150, "mean_probability": 0.05, "share_positive": 0.06},
                {"from": 0.1, "to": 0.2, "reviews": 0, "mean_probability": None, "share_positive": None},
            ],
        },
    }
