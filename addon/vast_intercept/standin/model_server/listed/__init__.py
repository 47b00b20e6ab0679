"""Operations beyond chat and text completions, which a model serves if it is told to.

`routes` has them by path. Each module answers one operation or two of a kind, deterministically.
Their shapes were looked up in the public code of vLLM and vLLM-Omni and not recorded: for
those that were tried, the recorded vLLM has the 404 of a model that does not serve them.
"""
