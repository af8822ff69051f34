"""What goes into a job's image (pure), and building and pushing it (effects).

    contents   job -> packages and launchers it needs        pure
    include    the job's own files                           reads the project
    context    all of the above + the lock -> build context  one value with a fingerprint
    build, tree, push                                        effects: engine, folder, registry

Kept free of imports that lead back to `lambdactl.lock`.
"""

from lambdactl.image.launcher import launcher

__all__ = ["launcher"]
