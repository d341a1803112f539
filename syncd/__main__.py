"""``syncd`` and ``python -m syncd``. The order of these lines matters: whoever asks us to stop is heard before the imports."""

from __future__ import annotations

from typing import NoReturn

from syncd.host.stopping import end_on_sigterm

end_on_sigterm()


def main() -> NoReturn:
    """Runs one verb and exits."""
    try:
        from syncd.cli import main as run_verb
    except KeyboardInterrupt:
        from syncd.errors import ExitCode

        raise SystemExit(ExitCode.INTERRUPTED) from None
    run_verb()


if __name__ == "__main__":
    main()
