"""What is raised when a request gets a refusal, in whichever dialect it came and is answered."""


class RequestError(ValueError):
    """A refusal: the message says what is wrong and what to do about it, `status` is HTTP's 4xx."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
