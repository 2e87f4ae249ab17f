"""What this machine can compute on: GPUs, their driver, and why there is none where there is none.

`detection.detect` gives a `Host`. Whatever can hang or crash, the makers' libraries and programs,
runs in a child process with a time limit; everything else is small files below an injectable root.
"""
