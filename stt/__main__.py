"""`python -m stt`: the same as the command `stt`."""

from stt.cli.main import main

if __name__ == "__main__":
    main()
