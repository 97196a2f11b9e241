"""What is raised for a request or a reply that is no good, in whichever dialect it came."""


class RequestError(ValueError):
    """A refusal: the message says what is wrong and what to do about it, `status` is HTTP's 4xx."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ReplyError(ValueError):
    """A reply that holds no answer. `refused`: it is a tracker's refusal, and the message is its reason;
    else it is no tracker's reply at all.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
