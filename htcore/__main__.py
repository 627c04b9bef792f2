"""``python -m htcore``."""

from htcore.cli import app

if __name__ == "__main__":
    app(prog_name="htcore")
