"""How AWS clients speak: types, JSON 1.0, errors, SigV4, pagination."""
