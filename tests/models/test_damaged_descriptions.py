"""A description that contradicts itself is refused, with what is wrong in it."""

import pytest

from zoo import ZooError
from zoo.models.description import ModelDescription

SOUND = {
    "architecture": "net",
    "task": "binary",
    "input_shape": [2],
    "labels": ["no", "yes"],
    "dataset": "data",
    "checkpoint_sha256": "0" * 64,
}
COLUMN = {"name": "a", "kind": "number", "values": [], "labels": []}


def test_a_sound_description_is_read():
    found = ModelDescription.from_dict(SOUND)
    assert (found.name, found.labels, found.origin) == ("net", ("no", "yes"), "checkpoint 000000000000")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ({"labels": ["no", "yes", "perhaps"]}, "3 labels for a binary task."),
        ({"columns": [COLUMN]}, "its columns do not fit the input_shape."),
        ({"columns": [COLUMN, COLUMN | {"kind": "category"}]}, "a category lists its values"),
        ({"input": {"kind": "image"}}, "its input_shape is not that of images."),
        ({"checkpoint_sha256": ""}, "it has no entry 'checkpoint_sha256'."),
        ({"task": "counting"}, "it has no entry 'predicts'."),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(damage, problem):
    with pytest.raises(ZooError, match=r"^The description of the model is damaged: ") as caught:
        ModelDescription.from_dict(SOUND | damage)
    assert problem in str(caught.value)
