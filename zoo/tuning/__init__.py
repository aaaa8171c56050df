"""The search for the best recipe and network under limits, decided on the validation split."""
