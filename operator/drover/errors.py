"""The whole taxonomy of expected trouble.

::

    OperatorError(reason)                 reason becomes a condition's reason, str(error) its message
     ├─ Retryable(delay)                  the queue tries again after `delay` seconds
     │   ├─ NotReady                      another object is not there yet
     │   ├─ Busy                          a job, a lock or a newer version is in the way
     │   └─ Unavailable                   libvirtd or the API server does not answer
     └─ Fatal                             said in a condition, then rests until something changes
         ├─ InvalidSpec                   the object asks for something that cannot be
         ├─ Unsupported                   this host cannot do it
         └─ Refused                       it would destroy data

Absence is ``None``, never an exception. Everything outside this tree is a bug: it is not caught, it becomes a
traceback, a metric and the queue's exponential back-off. ``runtime.boundary`` is the only place that turns these
errors into retries.
"""


class OperatorError(Exception):
    """Trouble that was foreseen: ``reason`` is CamelCase and becomes the reason of a condition."""

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or type(self).__name__


class Retryable(OperatorError):
    """Worth another try after ``delay`` seconds; ``None`` leaves the delay to the queue's back-off."""

    def __init__(self, message: str, *, reason: str | None = None, delay: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.delay = delay


class NotReady(Retryable):
    """Another object that this one needs is not there or not ready yet."""


class Busy(Retryable):
    """A job, a lock or a newer version of the object is in the way."""


class Unavailable(Retryable):
    """libvirtd, the API server or a guest agent does not answer."""


class Fatal(OperatorError):
    """Only a change of the object, or of what it refers to, can help; raise it only when that is the cause."""


class InvalidSpec(Fatal):
    """The object asks for something that cannot be."""


class Unsupported(Fatal):
    """This host cannot do what the object asks for."""


class Refused(Fatal):
    """Doing it would destroy data that nobody asked to destroy."""
