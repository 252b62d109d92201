"""What can be wrong with a question: it is meaningless, or its assumptions do not hold."""


class DescriptionError(ValueError):
    """The input has no meaning: says what was needed, what came and what to do."""


class NotCovered(DescriptionError):
    """The input has a meaning that no rule covers yet."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not covered yet: {what}")


class OutOfRegime(ArithmeticError):
    """An assumption of the theory fails at these values, so there is no prediction."""


class NotConverged(ArithmeticError):
    """A number was not found to the accuracy asked for, so there is none."""
