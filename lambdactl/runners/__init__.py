"""Runs one invocation of a job's function: in a container as Lambda would, as a plain process, or in AWS."""
