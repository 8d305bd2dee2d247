"""The embedded engine: driver and store on one SQLite file.

Who does what: `driver` is the face; `writer` commits groups of operations; `publish`, `claim`, `settle`, `recovery`
and `documents` say what an operation does under the lock, in a number of statements that does not grow with the
batch; `site` is where the file, its locks and bells live; `inspection` reads.
"""
