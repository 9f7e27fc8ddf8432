"""The road to the article's network: steps that train under one budget, to be compared."""
