"""``python -m zoo`` is ``zoo``; ``torchrun`` needs it in this form."""

from cli import main

if __name__ == "__main__":
    main()
