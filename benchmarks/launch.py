"""Runs a program and says what it cost, as JSON on its last line. Small itself, and must stay so.

A child's peak memory begins with its parent's at the fork: started by the benchmark itself, each would
seem as large as that.
"""

import json
import os
import sys
import time

begin = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - begin
cost = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss // 1024}
print("\n" + json.dumps({**cost, "code": os.waitstatus_to_exitcode(status)}))
