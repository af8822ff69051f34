"""A place that workflows may take lambdactl from, made up."""

COMMIT = f"git+https://github.com/acme/lambdactl@{'0123456789' * 4}"
