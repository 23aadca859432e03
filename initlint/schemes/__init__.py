"""TRACED GRAPH → named initializations: what each published scheme would write into which weight, applied or printed.

Read in this order: `plan` (the values: places, draws, changes), `draws` (the draws that `torch.nn.init` lacks, in plain
PyTorch, printed with the code that uses them), `anatomy` (what a scheme may ask about a model: layers, branches, trunks, roles,
the functions in between, all from the graph), `activation` (those functions as numbers), a file per family of schemes
(`variance`, `orthogonal`, `residual`, `identity`, `depth`, `data_driven`, `tuned`, `automatic`), `catalog` (their table),
`carry_out` (a plan → weights, laws or source text), `grown` (function-preserving growth).
"""
