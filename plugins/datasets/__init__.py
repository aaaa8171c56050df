"""The datasets that come with the zoo, registered like any other plugin's."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Column, Dataset, Option, hookimpl

DIGITS = tuple("0123456789")
IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


# the seed of a random test split, for tables so small that one split tells little
SPLIT = Option(name="split", default=0, help="seed of the random fifth that is the test split", minimum=0)


@hookimpl
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Register all of them."""
    _register_images(register)
    _register_fetched_tables(register)
    _register_bundled_tables(register)


def _numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name) for name in names)


def _category(name: str, first: int, last: int, *labels: str) -> Column:
    values = tuple(float(value) for value in range(first, last + 1))
    return Column(name=name, kind="category", values=values, labels=labels)


def _register_images(register: Callable[[Dataset], None]) -> None:
    register(
        Dataset(
            name="mnist",
            summary="handwritten digits, 28x28 grey",
            task="classification",
            loader="zoo.plugins.datasets.vision:load_mnist",
            input_shape=(1, 28, 28),
            num_outputs=10,
            labels=DIGITS,
            sizes={"train": 60_000, "test": 10_000},
            files=tuple(f"MNIST/raw/{name}-ubyte" for name in IDX_FILES),
            fingerprint="11de40ec28a7c150195b86fd3a818037e73f1e8d04ab1621d02836dbdf8a2d54",
            licence="CC BY-SA 3.0",
            source="LeCun, Cortes, Burges: The MNIST database of handwritten digits",
            stand_in="digits",
        )
    )
    register(
        Dataset(
            name="fashion-mnist",
            summary="photographs of clothes, 28x28 grey",
            task="classification",
            loader="zoo.plugins.datasets.vision:load_fashion_mnist",
            input_shape=(1, 28, 28),
            num_outputs=10,
            labels=(
                "T-shirt/top",
                "trouser",
                "pullover",
                "dress",
                "coat",
                "sandal",
                "shirt",
                "sneaker",
                "bag",
                "ankle boot",
            ),
            sizes={"train": 60_000, "test": 10_000},
            files=tuple(f"FashionMNIST/raw/{name}-ubyte" for name in IDX_FILES),
            fingerprint="b42e0f3189f494f730119201c9e1a41654a875ffd564ea07b7cf8032d5327c02",
            licence="MIT",
            source="Xiao, Rasul, Vollgraf: Fashion-MNIST, https://arxiv.org/abs/1708.07747",
            stand_in="digits",
        )
    )
    register(
        Dataset(
            name="cifar10",
            summary="photographs of animals and vehicles, 32x32 in colour",
            task="classification",
            loader="zoo.plugins.datasets.vision:load_cifar10",
            input_shape=(3, 32, 32),
            num_outputs=10,
            labels=(
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ),
            sizes={"train": 50_000, "test": 10_000},
            files=tuple(
                f"cifar-10-batches-py/{name}"
                for name in ("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch")
            ),
            licence="not stated",
            source="Krizhevsky: Learning multiple layers of features from tiny images, 2009",
            stand_in="digits",
            hyperparameters={"epochs": 15, "shift": 4, "flip": True},
        )
    )
    register(
        Dataset(
            name="digits",
            summary="handwritten digits bundled with scikit-learn, 8x8 enlarged and centred on 28x28 grey",
            task="classification",
            loader="zoo.plugins.datasets.digits:load",
            input_shape=(1, 28, 28),
            num_outputs=10,
            labels=DIGITS,
            sizes={"train": 1_437, "test": 360},
            fingerprint="b0dcde4097afbe24c04f3f857ba04712b82e5f5b1ea23cc1c335600690108516",
            licence="CC BY 4.0",
            source="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998 (its test part)",
            # forty times fewer samples than MNIST: more passes, smaller batches
            hyperparameters={"epochs": 30, "batch_size": 64},
        )
    )


def _register_fetched_tables(register: Callable[[Dataset], None]) -> None:
    register(
        Dataset(
            name="diabetes",
            summary="Pima Indians: eight measurements, and diabetes within five years or not",
            task="binary",
            loader="zoo.plugins.datasets.tables:load_diabetes",
            input_shape=(8,),
            num_outputs=1,
            labels=("diabetes", "healthy"),
            columns=_numbers(
                "pregnancies", "glucose", "blood pressure", "skin fold", "insulin", "BMI", "pedigree", "age"
            ),
            sizes={"train": 607, "test": 152},
            files=("tabular/diabetes.csv.gz",),
            licence="CC0 1.0",
            source="Smith et al.: Using the ADAP learning algorithm to forecast the onset of diabetes mellitus, 1988",
            stand_in="breast-cancer",
            options=(SPLIT,),
            trials=tuple({"split": seed} for seed in range(10)),
        )
    )
    register(
        Dataset(
            name="bike-sharing",
            summary="bikes rented in Washington in each hour of two years, by season, weather and time",
            task="regression",
            loader="zoo.plugins.datasets.tables:load_bike_sharing",
            input_shape=(10,),
            num_outputs=1,
            labels=("rentals",),
            columns=(
                _category("season", 1, 4, "winter", "spring", "summer", "autumn"),
                Column(name="yr", kind="as-is"),
                _category("mnth", 1, 12),
                _category("hr", 0, 23),
                Column(name="holiday", kind="as-is"),
                _category("weekday", 0, 6),
                _category("weathersit", 1, 4, "clear", "mist", "light rain or snow", "heavy rain or snow"),
                *_numbers("temp", "hum", "windspeed"),
            ),
            sizes={"train": 16_877, "test": 502},
            files=("tabular/hour.csv",),
            licence="CC BY 4.0",
            source="Fanaee-T, Gama: Event labeling combining ensemble detectors, 2013; UCI Bike Sharing",
            stand_in="diabetes-progression",
        )
    )


def _register_bundled_tables(register: Callable[[Dataset], None]) -> None:
    register(
        Dataset(
            name="line",
            summary="y = 2x: three points to learn from, the fourth to be told",
            task="regression",
            loader="zoo.plugins.datasets.tables:load_line",
            input_shape=(1,),
            num_outputs=1,
            labels=("y",),
            columns=_numbers("x"),
            sizes={"train": 3, "test": 1},
            licence="MIT",
            source="made up, as in every first lesson",
        )
    )
    register(
        Dataset(
            name="study-hours",
            summary="hours of study and whether the exam was passed: three students",
            task="binary",
            loader="zoo.plugins.datasets.tables:load_study_hours",
            input_shape=(1,),
            num_outputs=1,
            labels=("fail", "pass"),
            columns=_numbers("hours"),
            sizes={"train": 3, "test": 2},
            licence="MIT",
            source="made up, as in every first lesson",
        )
    )
    register(
        Dataset(
            name="breast-cancer",
            summary="thirty measurements of cell nuclei, malignant or benign",
            task="binary",
            loader="zoo.plugins.datasets.tables:load_breast_cancer",
            input_shape=(30,),
            num_outputs=1,
            labels=("malignant", "benign"),
            sizes={"train": 455, "test": 114},
            licence="CC BY 4.0",
            source="Wolberg, Mangasarian, Street, Street: Breast Cancer Wisconsin (Diagnostic), UCI, 1995",
            options=(SPLIT,),
        )
    )
    register(
        Dataset(
            name="diabetes-progression",
            summary="ten measurements of patients, and how far diabetes had gone a year later",
            task="regression",
            loader="zoo.plugins.datasets.tables:load_diabetes_progression",
            input_shape=(10,),
            num_outputs=1,
            labels=("progression",),
            columns=(
                (*_numbers("age"), _category("sex", 1, 2), *_numbers("bmi", "bp", *(f"s{i}" for i in range(1, 7))))
            ),
            sizes={"train": 354, "test": 88},
            licence="not stated",
            source="Efron, Hastie, Johnstone, Tibshirani: Least angle regression, Annals of Statistics, 2004",
            options=(SPLIT,),
            hyperparameters={"epochs": 100, "batch_size": 32},
        )
    )
    register(
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
            licence="CC BY 4.0",
            source="Fisher: The use of multiple measurements in taxonomic problems, 1936",
            options=(SPLIT,),
            hyperparameters={"epochs": 60, "batch_size": 16},
        )
    )
    register(
        Dataset(
            name="wine",
            summary="thirteen measurements of wines from three growers",
            task="classification",
            loader="zoo.plugins.datasets.tables:load_wine",
            input_shape=(13,),
            num_outputs=3,
            labels=("grower 1", "grower 2", "grower 3"),
            sizes={"train": 142, "test": 36},
            licence="CC BY 4.0",
            source="Aeberhard, Forina: Wine, UCI, 1992",
            options=(SPLIT,),
            hyperparameters={"epochs": 60, "batch_size": 16},
        )
    )
