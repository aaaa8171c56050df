"""The dataset ``word-languages`` and the network ``word-gru``: the language of a word. Imports no torch."""

from zoo import Architecture, Dataset, Option, hookimpl

LANGUAGES = ("english", "german", "french", "italian", "finnish")
LENGTH = 16
ALPHABET = tuple("abcdefghijklmnopqrstuvwxyzàâäçèéêëîïìôöòœùûüúß'")


@hookimpl
def register_datasets(register):
    register(
        Dataset(
            name="word-languages",
            summary="common words of five languages, letter by letter",
            task="classification",
            loader="zoo_text_parts:load",
            input_shape=(LENGTH,),
            input="tokens",
            input_options={"vocabulary": ALPHABET, "lower": True},
            num_outputs=len(LANGUAGES),
            labels=LANGUAGES,
            sizes={"train": 646, "test": 150},
            fingerprint="83b88ff637d81db74d73394874ce90cdfa57ba33ad1348d5f795759db73a606e",
            licence="CC0-1.0",
            source="written for this example",
        )
    )


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="word-gru",
            summary="an embedding of letters, a GRU, and the mean of its states",
            task="classification",
            builder="zoo_text_parts:WordGRU",
            dataset="word-languages",
            parameters=5_749,
            hyperparameters={"epochs": 30, "batch_size": 32, "optimizer": "adamw", "lr": 0.005, "weight_decay": 0.01},
            options=(Option(name="hidden", default=32, help="size of the state", minimum=1),),
            tags=("text",),
        )
    )
