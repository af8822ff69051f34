"""All benchmarks, one after the other: `make benchmark`."""

from benchmarks import manifests, plan

manifests.main()
print()
plan.main()
