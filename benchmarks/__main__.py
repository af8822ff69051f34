"""All benchmarks, one after the other: `make benchmark`. `python -m benchmarks 10 100` for other sizes."""

from benchmarks import agent, deadline, manifests, plan

plan.main()
print()
manifests.main()
print()
agent.main()
print()
deadline.main()
