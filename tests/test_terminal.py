"""What the terminal shows of a prediction or a measurement."""

from derivations.terminal import statistics


def test_measured_numbers_are_shown_with_their_errors_layer_by_layer_too():
    several = {"mean": 93.2, "standard_error": 16.1, "values": [77.1, 109.3]}
    single = {"mean": 3.8, "standard_error": None, "values": [3.8]}
    shown = statistics({"kappa1": several, "groups": {"weights": [several, single]}, "edge": None})
    assert shown.splitlines() == [
        "kappa1          93(16)",
        "groups.weights  93(16), 3.8",
        "edge            -",
    ]
