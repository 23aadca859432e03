"""Source files, before anything is imported: read as text and as a tree, never run.

Read in this order: `files` (which files are asked for), `text` (bytes → text → lines), `overlay` (texts in place of files),
`scan` (does a file define models at all), `suppress` (ignore comments).
"""
