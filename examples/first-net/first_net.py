from zoo import Architecture, hookimpl


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="first-net",
            summary="one hidden layer",
            task="classification",
            builder="first_net:build",
            dataset="mnist",
            parameters=25_450,
        )
    )


def build(input_shape, num_outputs):
    from math import prod

    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), 32), nn.ReLU(), nn.Linear(32, num_outputs))
