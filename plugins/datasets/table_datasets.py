"""The declarations of the tables."""

from __future__ import annotations

from zoo import Column, Dataset, Option

SPLIT = Option(name="split", default=0, help="seed of the random 20% of the rows in the test split", minimum=0)
"""For tables so small that the result depends on the split."""


def _numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name) for name in names)


def _category(name: str, first: int, last: int, *labels: str) -> Column:
    values = tuple(float(value) for value in range(first, last + 1))
    return Column(name=name, kind="category", values=values, labels=labels)


TABLES = (
    Dataset(
        name="diabetes",
        summary="Pima Indians: eight measurements of 768 women, and diabetes within five years or not",
        task="binary",
        loader="zoo.plugins.datasets.tables:load_diabetes",
        input_shape=(8,),
        num_outputs=1,
        labels=("healthy", "diabetes"),
        columns=_numbers("pregnancies", "glucose", "blood pressure", "skin fold", "insulin", "BMI", "pedigree", "age"),
        sizes={"train": 614, "test": 154},
        files=("tabular/pima-indians-diabetes.csv",),
        fingerprint="ed773e84600805669937697b9a3c361d467ef1131cc7dc1a92f2c6356e330c2b",
        licence="CC0 1.0",
        source="Smith et al.: Using the ADAP learning algorithm to forecast the onset of diabetes mellitus, 1988",
        stand_in="breast-cancer",
        options=(SPLIT,),
        trials=tuple({"split": seed} for seed in range(10)),
    ),
    Dataset(
        name="bike-sharing",
        summary="bikes rented in Washington in each hour of two years, by season, weather and time",
        task="regression",
        loader="zoo.plugins.datasets.tables:load_bike_sharing",
        input_shape=(11,),
        num_outputs=1,
        labels=("rentals",),
        columns=(
            _category("season", 1, 4, "winter", "spring", "summer", "autumn"),
            Column(name="yr", kind="as-is"),
            _category("mnth", 1, 12),
            _category("hour", 0, 47, *(f"{hour}-{day}" for day in ("off", "work") for hour in range(24))),
            Column(name="holiday", kind="as-is"),
            _category("weekday", 0, 6),
            _category("weathersit", 1, 4, "clear", "mist", "light rain or snow", "heavy rain or snow"),
            *_numbers("temp", "hum", "windspeed"),
            Column(name="near_holiday", kind="as-is"),
        ),
        sizes={"train": 15_205, "validation": 1_672, "test": 502},
        files=("tabular/hour.csv",),
        fingerprint="41aa79664072d2869bebcaf724b1906702394d83441a228f1738ecea9396ab9e",
        licence="CC BY 4.0",
        source="Fanaee-T, Gama: Event labeling combining ensemble detectors, 2013; UCI Bike Sharing",
        stand_in="diabetes-progression",
    ),
    Dataset(
        name="line",
        summary="y = 2x: three points for training, one for the test",
        task="regression",
        loader="zoo.plugins.datasets.tables:load_line",
        input_shape=(1,),
        num_outputs=1,
        labels=("y",),
        columns=_numbers("x"),
        sizes={"train": 3, "test": 1},
        fingerprint="46aa3b8707f479587d931caa68781c328837ea87530b0e6ded4594f97ea869fa",
        licence="MIT",
        source="made up, as in every first lesson",
    ),
    Dataset(
        name="study-hours",
        summary="hours of study, and whether the exam was passed: three students for training, two for the test",
        task="binary",
        loader="zoo.plugins.datasets.tables:load_study_hours",
        input_shape=(1,),
        num_outputs=1,
        labels=("fail", "pass"),
        columns=_numbers("hours"),
        sizes={"train": 3, "test": 2},
        fingerprint="dff3d7888367105344ee4418df84266ed6a57c5051edc1d4f9c6378c0977e2ab",
        licence="MIT",
        source="made up, as in every first lesson",
    ),
    Dataset(
        name="breast-cancer",
        summary="thirty measurements of cell nuclei, malignant or benign",
        task="binary",
        loader="zoo.plugins.datasets.tables:load_breast_cancer",
        input_shape=(30,),
        num_outputs=1,
        labels=("malignant", "benign"),
        sizes={"train": 455, "test": 114},
        fingerprint="112be36338e3203fd3271ac88ced8a1d8e35ec46a589bdf2632e705c4c8460cc",
        licence="CC BY 4.0",
        source="Wolberg, Mangasarian, Street, Street: Breast Cancer Wisconsin (Diagnostic), UCI, 1995",
        options=(SPLIT,),
    ),
    Dataset(
        name="diabetes-progression",
        summary="ten measurements of patients, and how far diabetes had gone a year later",
        task="regression",
        loader="zoo.plugins.datasets.tables:load_diabetes_progression",
        input_shape=(10,),
        num_outputs=1,
        labels=("progression",),
        columns=(*_numbers("age"), _category("sex", 1, 2), *_numbers("bmi", "bp", *(f"s{i}" for i in range(1, 7)))),
        sizes={"train": 354, "test": 88},
        fingerprint="0766a089435940134e058feaa34ea5ba88aa03c1c374e3cd053e5ad4af0063ba",
        licence="not stated",
        source="Efron, Hastie, Johnstone, Tibshirani: Least angle regression, Annals of Statistics, 2004",
        options=(SPLIT,),
        hyperparameters={"epochs": 100, "batch_size": 32},
    ),
    Dataset(
        name="iris",
        summary="four lengths of 150 flowers, three species",
        task="classification",
        loader="zoo.plugins.datasets.tables:load_iris",
        input_shape=(4,),
        num_outputs=3,
        labels=("setosa", "versicolor", "virginica"),
        columns=_numbers("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
        sizes={"train": 120, "test": 30},
        fingerprint="6bb3e6bca48cada881a0cb6cd4782e7f94b23f31778a503b2b433fd39c438b6f",
        licence="CC BY 4.0",
        source="Fisher: The use of multiple measurements in taxonomic problems, 1936",
        options=(SPLIT,),
        hyperparameters={"epochs": 60, "batch_size": 16},
    ),
    Dataset(
        name="wine",
        summary="thirteen measurements of wines from three growers",
        task="classification",
        loader="zoo.plugins.datasets.tables:load_wine",
        input_shape=(13,),
        num_outputs=3,
        labels=("grower 1", "grower 2", "grower 3"),
        sizes={"train": 142, "test": 36},
        fingerprint="4f47910a497eb868fff5ede607c0ade6b862d67ff81cc4fe7f6301b02de59b7f",
        licence="CC BY 4.0",
        source="Aeberhard, Forina: Wine, UCI, 1992",
        options=(SPLIT,),
        hyperparameters={"epochs": 60, "batch_size": 16},
    ),
)
