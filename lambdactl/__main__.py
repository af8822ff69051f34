"""`python -m lambdactl`: the same as the program `lambdactl`."""

from lambdactl.cli import main

main()
