"""The command line with a bug planted into ``status``."""

from lvdeploy.cli import fleet, main


def _broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a bug")


fleet._document = _broken  # type: ignore[assignment]
main.main()
