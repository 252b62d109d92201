"""What the tests of commands share: networks, and what is asked of every command."""

import json

import pytest

RELU = {"activation": "relu", "depth": 3, "sigma_w2": 2, "sigma_b2": 0.1}
TANH = {"activation": "tanh", "depth": 3, "sigma_w2": 3, "sigma_b2": 0.64}
LINEAR = {"activation": "linear", "depth": 3, "sigma_w2": 1}
LASTS = ("none", "mean-subtraction", "batchnorm")


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return repr(value) if isinstance(value, float) else json.dumps(value)


def strict(text):
    """JSON without NaN and infinity, in which no key is written twice."""

    def unique(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=pytest.fail, object_pairs_hook=unique)


def sized(command, path, width=100, samples=10):
    return (command, path, "--width", width, "--samples", samples)


def arguments_of(command, path, options):
    options = {"--width": 8, "--samples": 4} | options
    if command == "measure":
        options = {"--seeds": 2} | options
    words = [word for key, value in options.items() if key != "NET" for word in (key, value)]
    return [command, options.get("NET", path), *words, "--json"]


def refused(outcome, *parts):
    """Exit status 2, nothing on stdout, one line on stderr that contains all parts."""
    status, out, err = outcome
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("fisherfield")
    for part in parts:
        assert part in err
